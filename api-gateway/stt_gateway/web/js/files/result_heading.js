// The head of a finished transcript: its title, facts about it, and ways to take its text along.
import { languageName, t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { plainText, srt, vtt } from "../text/subtitles.js";
import { button, h, menu } from "../ui/dom.js";
import { copyText, fileStem, saveText } from "../ui/save.js";
import { toast } from "../ui/toast.js";
import { toUtterance } from "./utterances.js";

/** `transcript`, `back`, `heading`, `tools`, `documents`: see createResult. */
export function resultHeading({ transcript, wordCount, back, heading, tools, documents }) {
  // Read when they are needed: the transcript may have been changed.
  const utterances = () => transcript.segments.map(toUtterance(transcript.language));
  const facts = [
    languageName(transcript.language),
    shortClock(transcript.duration * 1000),
    t("result.words", { n: wordCount }),
  ].filter(Boolean);
  const copy = async () => toast(t((await copyText(plainText(utterances()))) ? "done.copied" : "done.not_copied"));
  return h(
    "header",
    { class: "result-head" },
    h("a", { class: "button bare small", href: back.href }, "‹ ", back.text),
    heading,
    h(
      "div",
      { class: "meta" },
      h("p", {}, facts.join(" · ")),
      h(
        "div",
        { class: "row" },
        tools,
        button({ name: "copy", text: t("action.copy"), kind: "small", onclick: copy }),
        menu(t("action.download"), "download", [...documents, ...downloads(transcript, utterances)], { kind: "small" }),
      ),
    ),
  );
}

function downloads(transcript, utterances) {
  const save = (kind, content, type) => ({
    text: t(`format.${kind}`),
    // Use the current name; the transcript may have been renamed.
    onclick: () => saveText(`${fileStem(transcript.name)}.${kind}`, content(), type),
  });
  const json = () => {
    const { name, text, language, duration, segments, unrecognized = [], track = null, warnings = [] } = transcript;
    return JSON.stringify({ name, text, language, duration, segments, unrecognized, track, warnings }, null, 2);
  };
  return [
    save("txt", () => plainText(utterances())),
    save("srt", () => srt(utterances(), transcript.text)),
    save("vtt", () => vtt(utterances(), transcript.text), "text/vtt"),
    save("json", json, "application/json"),
  ];
}
