// Where files are dropped or chosen.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { addFiles } from "./drop.js";

const ACCEPTED = "audio/*,video/*,.wav,.mp3,.m4a,.mp4,.webm,.ogg,.opus,.flac,.aac,.aiff,.amr,.mkv,.wma";

/** Dropping itself is handled by acceptDrops, for the whole page. */
export function dropZone(app) {
  const chooser = h("input", {
    type: "file",
    multiple: true,
    accept: ACCEPTED,
    class: "unseen",
    tabindex: "-1",
    "aria-hidden": "true",
    onchange: () => {
      addFiles(app, chooser.files);
      chooser.value = "";
    },
  });
  return h(
    "div",
    { class: "drop" },
    icon("upload"),
    h("strong", {}, t("files.drop")),
    h("span", { class: "quiet" }, t("files.or")),
    button({ text: t("files.choose"), kind: "main", onclick: () => chooser.click() }),
    chooser,
  );
}
