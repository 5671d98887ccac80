// The bar that shows, on every view, that the microphone is open and for how long, with a button to stop it.
import { language, t } from "../i18n/index.js";
import { address } from "../router.js";
import { shortClock } from "../text/clock.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";

const TICK_MS = 250;

/** Fills `bar`, an element of the frame; `status` is announced by screen readers. Returns `draw`, which runs by itself
 * when `onAir` changes and must be called after a change of language. */
export function recordingBar(onAir, bar, status) {
  const clock = h("span", { class: "number", role: "timer" });
  let drawn = "";
  let timer = 0;

  function draw() {
    const { open } = onAir;
    // Recordings report many changes per second; the button must not be replaced during a click.
    const key = open ? [open.view, open.room, open.recording.phase, language()].join(" ") : "";
    if (key === drawn) return;
    drawn = key;
    clearInterval(timer);
    if (!open && bar.contains(document.activeElement)) document.getElementById("main").focus({ preventScroll: true });
    bar.hidden = !open;
    document.documentElement.classList.toggle("recording", Boolean(open));
    if (open) fill(open);
    else status.textContent = t("onair.ended");
  }

  function fill({ recording, view, room }) {
    const isPaused = recording.phase === "paused";
    const text = t(isPaused ? "onair.paused" : "onair.recording");
    const place = room ? `${t(`nav.${view}`)}: ${room}` : t(`nav.${view}`);
    const tick = () => {
      clock.textContent = shortClock(recording.positionMs);
    };
    const focused = bar.contains(document.activeElement) ? document.activeElement.localName : null;
    bar.classList.toggle("paused", isPaused);
    bar.replaceChildren(
      h("a", { href: address(view, room), title: place }, h("i", { class: "lamp" }), h("b", {}, text), clock),
      h(
        "button",
        { type: "button", class: "button small", "aria-label": t("onair.stop_label"), onclick: () => recording.stop() },
        icon("stop"),
        h("span", {}, t("onair.stop")),
      ),
    );
    if (focused) bar.querySelector(focused)?.focus();
    status.textContent = text;
    tick();
    timer = setInterval(tick, TICK_MS);
  }

  onAir.addEventListener("change", draw);
  return draw;
}
