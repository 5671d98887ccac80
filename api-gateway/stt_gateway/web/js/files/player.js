// Plays a recording and reports its position. The waveform is the slider.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { h, select } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { keep, settings } from "../ui/settings.js";
import { toast } from "../ui/toast.js";
import { peaks } from "./peaks.js";

const BARS = 140;
const SHAPE_RATE = 8000;
const SHAPE_MOST_BYTES = 40_000_000; // the waveform needs the whole audio in memory
// Elements that use the space bar themselves.
const TAKES_SPACE = "input:not([type=range]), textarea, select, button, summary, [contenteditable]";
const SPEEDS = ["0.75", "1", "1.25", "1.5", "2"];

/** `source`: a File. `onTime(seconds)`: called often while playing. `onHold(isHeld)`: the slider is held or released.
 * Returns {element, isPlaying, seek(seconds, andPlay), destroy()}. Space plays and pauses unless the focused element
 * uses it. */
export function createPlayer(source, durationS, { onTime, onHold }) {
  const url = URL.createObjectURL(source);
  const audio = new Audio(url);
  audio.preload = "metadata";
  audio.playbackRate = Number(settings.speed);
  const play = h(
    "button",
    { type: "button", class: "button main round", "aria-label": t("player.play"), onclick: toggle },
    icon("play"),
  );
  const place = h("input", {
    type: "range",
    min: "0",
    max: String(durationS),
    step: "0.1",
    value: "0",
    "aria-label": t("player.place"),
    oninput: () => seek(Number(place.value), false),
    onpointerdown: () => {
      onHold(true);
      for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, release, { once: true });
    },
  });
  const canvas = h("canvas", { "aria-hidden": "true" });
  const time = h("time", {});
  const speed = select(
    SPEEDS.map((value) => [value, `${Number(value).toLocaleString()} ×`]),
    settings.speed,
    (value) => {
      audio.playbackRate = Number(value);
      keep({ speed: value });
    },
    { class: "input small", "aria-label": t("player.speed") },
  );
  const element = h("div", { class: "player" }, play, h("div", { class: "wave" }, canvas, place), time, speed);
  let shape = new Float32Array(BARS).fill(0.12);
  let frame = 0;

  function toggle() {
    if (!audio.paused) return audio.pause();
    return audio.play().catch((error) => {
      // The "error" listener reports what is wrong with the file; a pause that came first is not an error.
      if (!["AbortError", "NotSupportedError"].includes(error.name)) throw error;
    });
  }
  function release() {
    for (const kind of ["pointerup", "pointercancel"]) window.removeEventListener(kind, release);
    onHold(false);
  }
  function onKey(event) {
    const isPlain = !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (event.code !== "Space" || !isPlain || event.repeat || event.target.closest?.(TAKES_SPACE)) return;
    event.preventDefault();
    toggle();
  }
  function seek(seconds, andPlay) {
    audio.currentTime = seconds;
    draw();
    if (andPlay && audio.paused) toggle();
  }
  function draw() {
    const now = audio.currentTime;
    place.value = String(now);
    place.setAttribute("aria-valuetext", shortClock(now * 1000));
    time.textContent = `${shortClock(now * 1000)} / ${shortClock(durationS * 1000)}`;
    paint(canvas, shape, durationS ? now / durationS : 0);
    onTime(now);
  }
  function beat() {
    draw();
    frame = audio.paused ? 0 : requestAnimationFrame(beat);
  }
  function changed() {
    play.replaceChildren(icon(audio.paused ? "play" : "pause"));
    play.setAttribute("aria-label", audio.paused ? t("player.play") : t("player.pause"));
    if (!frame) beat();
  }
  for (const kind of ["play", "pause", "ended", "seeked", "loadedmetadata"]) audio.addEventListener(kind, changed);
  audio.addEventListener("error", () => toast(t("player.failed")));
  const resize = new ResizeObserver(draw);
  resize.observe(canvas);
  window.addEventListener("theme", draw);
  document.addEventListener("keydown", onKey);
  shapeOf(source).then((found) => {
    if (found) {
      shape = found;
      draw();
    }
  });
  return {
    element,
    seek,
    get isPlaying() {
      return !audio.paused;
    },
    destroy() {
      audio.pause();
      document.removeEventListener("keydown", onKey);
      window.removeEventListener("pointerup", release);
      window.removeEventListener("pointercancel", release);
      cancelAnimationFrame(frame);
      resize.disconnect();
      window.removeEventListener("theme", draw);
      URL.revokeObjectURL(url);
    },
  };
}

async function shapeOf(source) {
  if (source.size > SHAPE_MOST_BYTES) return null;
  try {
    const sound = await new OfflineAudioContext(1, 1, SHAPE_RATE).decodeAudioData(await source.arrayBuffer());
    return peaks(sound.getChannelData(0), BARS);
  } catch (error) {
    // The browser cannot decode this kind of file; the slider has no waveform.
    if (error.name === "EncodingError" || error.name === "NotReadableError" || error.name === "NotSupportedError")
      return null;
    throw error;
  }
}

function paint(canvas, shape, share) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const style = getComputedStyle(canvas);
  const [accent, rest] = [style.getPropertyValue("--accent"), style.getPropertyValue("--line-strong")];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const count = Math.min(BARS, Math.floor(width / 4));
  const step = width / count;
  for (let i = 0; i < count; i += 1) {
    const value = shape[Math.floor((i * BARS) / count)];
    const tall = Math.max(2, value * (height - 6));
    pen.fillStyle = i / count < share ? accent : rest;
    pen.globalAlpha = i / count < share ? 1 : 0.55;
    pen.beginPath();
    pen.roundRect(i * step, (height - tall) / 2, Math.max(1.5, step - 2), tall, 1.5);
    pen.fill();
  }
}
