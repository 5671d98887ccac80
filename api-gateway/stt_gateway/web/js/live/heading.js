// The head of the Live page: its clock and the actions on its text.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { plainText, srt, vtt } from "../text/subtitles.js";
import { button, h, menu } from "../ui/dom.js";

const json = (utterances) => JSON.stringify({ utterances }, null, 2);
const FORMATS = { txt: plainText, srt, vtt, json };

/** `actions`: TextActions. Returns {element, draw(), drawClock()}. */
export function liveHeading({ recording, transcript }, actions) {
  const clock = h("span", { class: "clock number" }, "0:00");
  const downloads = Object.entries(FORMATS).map(([extension, format]) => ({
    text: t(`format.${extension}`),
    onclick: () => actions.save(extension, format),
  }));
  const tools = h(
    "div",
    { class: "row tools" },
    button({ name: "copy", text: t("action.copy"), kind: "bare small", onclick: () => actions.copy() }),
    menu(t("action.download"), "download", downloads, { kind: "bare small" }),
    button({ name: "trash", text: t("live.clear"), kind: "bare small", onclick: () => actions.clear() }),
  );
  const element = h(
    "header",
    { class: "live-head" },
    h("div", { class: "live-head-in" }, h("h1", {}, t("nav.live")), clock, tools),
  );
  return {
    element,
    draw() {
      element.classList.toggle("idle", transcript.isEmpty && recording.phase === "idle");
      tools.hidden = transcript.utterances.length === 0;
    },
    drawClock() {
      const text = shortClock(recording.positionMs);
      if (clock.textContent !== text) clock.textContent = text;
    },
  };
}
