// Options for the files that are added next.
import { t } from "../i18n/index.js";
import { field, h, keytermsField, promptField, toggle } from "../ui/dom.js";
import { languageSelect } from "../ui/language_select.js";
import { saveSettings, settings } from "../ui/settings.js";

/** Returns {element, draw()}; to be drawn again when the server's languages change. */
export function fileOptions(server) {
  const element = h("div", { class: "file-options" });
  return {
    element,
    draw() {
      const languages = languageSelect(server, {
        first: ["auto", t("language.auto")],
        chosen: settings.fileLanguage,
        onchange: (fileLanguage) => saveSettings({ fileLanguage }),
      });
      element.replaceChildren(
        field(t("files.language"), languages),
        keytermsField(settings.fileKeyterms, (fileKeyterms) => saveSettings({ fileKeyterms })),
        promptField(settings.filePrompt, (filePrompt) => saveSettings({ filePrompt })),
        server.isMultilingual
          ? toggle(t("files.translate"), settings.fileTranslate, (fileTranslate) => saveSettings({ fileTranslate }))
          : "",
        toggle(t("files.channels"), settings.fileChannels, (fileChannels) => saveSettings({ fileChannels })),
        toggle(t("files.speakers"), settings.fileSpeakers, (fileSpeakers) => saveSettings({ fileSpeakers })),
        toggle(t("files.known"), settings.fileKnown, (fileKnown) => saveSettings({ fileKnown })),
        toggle(t("live.redact"), settings.fileRedact, (fileRedact) => saveSettings({ fileRedact })),
      );
    },
  };
}
