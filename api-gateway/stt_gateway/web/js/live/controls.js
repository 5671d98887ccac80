// The buttons that start, stop and pause a recording, and end its sentence.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/** `onStart()`: the user wants to record. `optionsButton`: shown beside the others. Returns {element, start, pause,
 * draw(), drawLevel()}; `start` and `pause` are buttons. */
export function recordingControls(recording, { onStart, optionsButton }) {
  const ring = h("span", { class: "ring" });
  const start = h(
    "button",
    { type: "button", class: "talk", onclick: () => (recording.isOn ? recording.stop() : onStart()) },
    ring,
    icon("mic"),
    icon("stop"),
  );
  const pause = button({
    name: "pause",
    label: t("live.pause"),
    onclick: () => (recording.phase === "paused" ? recording.resume() : recording.pause()),
  });
  const finalize = button({ name: "enter", label: t("live.finalize"), onclick: () => recording.finalize() });
  const element = h(
    "div",
    { class: "dock-row" },
    h("div", { class: "row left" }, optionsButton),
    start,
    h("div", { class: "row right" }, pause, finalize),
  );

  function draw() {
    const { phase, isOn } = recording;
    start.setAttribute("aria-label", t(isOn ? "live.stop" : "live.start"));
    start.disabled = phase === "asking" || phase === "stopping";
    const isPaused = phase === "paused";
    const label = t(isPaused ? "live.resume" : "live.pause");
    pause.replaceChildren(icon(isPaused ? "play" : "pause"));
    pause.setAttribute("aria-label", label);
    pause.title = label;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.hidden = finalize.hidden = !isOn;
  }

  return { element, start, pause, draw, drawLevel: levelRing(ring, recording) };
}

/** Returns a function that draws the microphone's level as a ring around the button. */
function levelRing(ring, recording) {
  let level = 0;
  return () => {
    // Rise immediately and fall slowly, so that the ring does not seem to flicker.
    level = Math.max(recording.level, level * 0.9);
    // At full level the ring reaches the button's neighbours without covering them.
    ring.style.transform = recording.isOn ? `scale(${(1 + level * 0.28).toFixed(3)})` : "";
  };
}
