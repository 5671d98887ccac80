// What is said in a conversation: final utterances in a log, and what each speaker is saying below it.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { Following, jumpButton } from "../ui/following.js";
import { guest } from "../ui/guest.js";
import { icon } from "../ui/icons.js";
import { speakingRow, utteranceRow } from "./rows.js";

const MOST_ROWS = 300;

/** `problem`: an element shown above the text. Returns {element, appendNew(), redraw(), draw(), follow()}. */
export function roomStage(feed, viewer, problem) {
  const empty = h(
    "div",
    { class: "blank" },
    icon("people"),
    h("h2", {}, t("talk.empty")),
    h("p", {}, t(guest() ? "talk.empty.guest" : "talk.empty.text")),
  );
  const log = h("div", { class: "transcript", role: "log", "aria-label": t("talk.log") });
  const speaking = h("div", { class: "transcript live", "aria-hidden": "true" });
  const label = { role: "region", "aria-label": t("talk.log") };
  const scroller = h("div", { class: "stage", tabindex: "0", ...label }, problem, empty, log, speaking);
  const toNewest = jumpButton(t("live.to_now"), () => following.toNewest());
  const hasText = () => empty.hidden;
  const following = new Following(scroller, log, (isOn) => (toNewest.hidden = isOn), hasText);
  const rows = new Map(); // key of feed.speaking -> row of what is being said
  let count = 0; // utterances in the log, or removed from it

  const row = (at) => utteranceRow(feed.utterances[at], feed.utterances[at - 1], feed);

  /** Draws the log again, since others than shown have spoken; a screen reader need not read it again. */
  function redraw() {
    log.setAttribute("aria-live", "off");
    const first = count - log.childElementCount;
    log.replaceChildren(...Array.from(log.children, (_, at) => row(first + at)));
    setTimeout(() => log.removeAttribute("aria-live"), 200);
  }

  /** Adds the final utterances that are not in the log yet. */
  function appendNew() {
    for (; count < feed.utterances.length; count += 1) log.append(row(count));
    while (following.isOn && log.childElementCount > MOST_ROWS) log.firstChild.remove();
  }

  function draw() {
    for (const [place, row] of rows)
      if (!feed.speaking.has(place)) {
        row.element.remove();
        rows.delete(place);
      }
    for (const [place, message] of feed.speaking) {
      if (!rows.has(place)) {
        rows.set(place, speakingRow(message, feed));
        speaking.append(rows.get(place).element);
      }
      rows.get(place).draw(message);
    }
    speaking.hidden = rows.size === 0;
    empty.hidden = feed.utterances.length > 0 || rows.size > 0 || viewer.state === "missing";
    if (following.isOn && hasText()) following.toNewest();
  }

  const element = h("div", { class: "stage-frame" }, scroller, toNewest);
  return { element, appendNew, redraw, draw, follow: () => following.toNewest() };
}
