// The state of the recording, as a chip to see and a status for screen readers.
import { t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { statusText } from "./status_text.js";

/** Returns {element, draw()}. */
export function statusChip(recording, server) {
  const chip = h("p", { class: "chip" });
  // The chip changes twice a second; screen readers announce only what matters.
  const announced = h("p", { class: "unseen", role: "status" });
  let lastState = null;

  function draw() {
    const { text, kind } = statusText(recording, server);
    if (chip.textContent !== text) chip.textContent = text;
    chip.className = `chip ${kind}`;
    chip.hidden = !text;
    const state = recording.behindMs !== null && kind === "good" ? t("state.listening") : text.replace(/\d+/g, "");
    if (state === lastState) return;
    // The initial state of the page is not announced.
    if (lastState !== null) announced.textContent = kind === "good" ? t("state.listening") : text;
    lastState = state;
  }

  return { element: h("div", { class: "dock-state" }, chip, announced), draw };
}
