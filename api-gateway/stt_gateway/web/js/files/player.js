// Plays a recording and reports its position. The waveform is the slider.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { h, select } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { saveSettings, settings } from "../ui/settings.js";
import { toast } from "../ui/toast.js";
import { Waveform } from "./waveform.js";

// Elements that use the space bar themselves.
const TAKES_SPACE = "input:not([type=range]), textarea, select, button, summary, [contenteditable]";
const TAKES_ARROWS = "input:not([type=range]), textarea, select, [contenteditable]";
const STEPS_S = { ArrowLeft: -5, ArrowRight: 5 };
const SPEEDS = ["0.5", "0.75", "0.9", "1", "1.1", "1.25", "1.5", "2"];
const PLAYBACK_EVENTS = ["play", "pause", "ended", "seeked", "loadedmetadata"];

/** Space plays and pauses, the left and right arrows move by 5 s, unless the focused element uses them. */
export class Player {
  #url;
  #audio;
  #listeners = new AbortController();
  #dragging = new AbortController(); // listeners while the slider is held
  #frame = 0;
  #time = h("time", {});

  /** `source`: a File. `onTime(seconds)`: called often while playing. `onHold(isHeld)`: the slider is held or released. */
  constructor(source, durationS, { onTime, onHold }) {
    Object.assign(this, { durationS, onTime, onHold });
    this.#url = URL.createObjectURL(source);
    this.#audio = source.type.startsWith("video/") ? h("video", { src: this.#url, playsinline: true }) : new Audio(this.#url);
    this.#audio.preload = "metadata";
    this.#audio.playbackRate = Number(settings.speed);
    this.waveform = new Waveform(source);
    this.button = h(
      "button",
      { type: "button", class: "button main round", "aria-label": t("player.play"), onclick: () => this.#toggle() },
      icon("play"),
    );
    this.button.title = t("player.keys");
    this.slider = this.#createSlider();
    const wave = h("div", { class: "wave" }, this.waveform.element, this.slider);
    const picture = this.#audio.tagName === "VIDEO" ? this.#audio : null;
    this.element = h("div", { class: "player" }, picture, this.button, wave, this.#time, this.#createSpeeds());
    for (const kind of PLAYBACK_EVENTS) this.#audio.addEventListener(kind, () => this.#changed());
    this.#audio.addEventListener("error", () => toast(t("player.failed")));
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal: this.#listeners.signal });
    this.#draw();
  }

  get isPlaying() {
    return !this.#audio.paused;
  }

  seek(seconds, andPlay) {
    this.#audio.currentTime = seconds;
    this.#draw();
    if (andPlay && this.#audio.paused) this.#toggle();
  }

  destroy() {
    this.#audio.pause();
    this.#listeners.abort();
    this.#dragging.abort();
    cancelAnimationFrame(this.#frame);
    this.waveform.destroy();
    URL.revokeObjectURL(this.#url);
  }

  #createSlider() {
    const slider = h("input", {
      type: "range",
      min: "0",
      max: String(this.durationS),
      step: "0.1",
      value: "0",
      "aria-label": t("player.place"),
      oninput: () => this.seek(Number(slider.value), false),
      onpointerdown: () => this.#hold(),
    });
    return slider;
  }

  /** The slider is held until the pointer is released, which may happen anywhere. */
  #hold() {
    this.#dragging.abort();
    this.#dragging = new AbortController();
    const end = () => {
      this.#dragging.abort();
      this.onHold(false);
    };
    this.onHold(true);
    for (const kind of ["pointerup", "pointercancel"])
      window.addEventListener(kind, end, { signal: this.#dragging.signal });
  }

  #createSpeeds() {
    const change = (speed) => {
      this.#audio.playbackRate = Number(speed);
      saveSettings({ speed });
    };
    const entries = SPEEDS.map((value) => [value, `${Number(value).toLocaleString()} ×`]);
    return select(entries, settings.speed, change, { class: "input small", "aria-label": t("player.speed") });
  }

  #toggle() {
    if (!this.#audio.paused) return this.#audio.pause();
    return this.#audio.play().catch((error) => {
      // The "error" listener reports what is wrong with the file; a pause that came first is not an error.
      if (!["AbortError", "NotSupportedError"].includes(error.name)) throw error;
    });
  }

  #onKey(event) {
    const isPlain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    const stepS = isPlain ? STEPS_S[event.key] : undefined;
    const isSpace = event.code === "Space" && isPlain && !event.repeat;
    if (event.target.closest?.(isSpace ? TAKES_SPACE : TAKES_ARROWS) || !(isSpace || stepS)) return;
    event.preventDefault();
    if (isSpace) this.#toggle();
    else this.seek(Math.min(this.durationS, Math.max(0, this.#audio.currentTime + stepS)), false);
  }

  #changed() {
    const { paused } = this.#audio;
    this.button.replaceChildren(icon(paused ? "play" : "pause"));
    this.button.setAttribute("aria-label", t(paused ? "player.play" : "player.pause"));
    if (!this.#frame) this.#drawWhilePlaying();
  }

  #drawWhilePlaying() {
    this.#draw();
    this.#frame = this.#audio.paused ? 0 : requestAnimationFrame(() => this.#drawWhilePlaying());
  }

  #draw() {
    const now = this.#audio.currentTime;
    this.slider.value = String(now);
    this.slider.setAttribute("aria-valuetext", shortClock(now * 1000));
    this.#time.textContent = `${shortClock(now * 1000)} / ${shortClock(this.durationS * 1000)}`;
    this.waveform.draw(this.durationS ? now / this.durationS : 0);
    this.onTime(now);
  }
}
