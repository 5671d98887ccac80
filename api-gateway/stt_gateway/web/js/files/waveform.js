// The waveform of a recording, on a canvas.
import { h } from "../ui/dom.js";
import { peaks } from "./peaks.js";

const BARS = 140;
const SHAPE_RATE = 8000;
const MOST_BYTES = 40_000_000; // the waveform needs the whole audio in memory

export class Waveform {
  element = h("canvas", { "aria-hidden": "true" });
  #shape = new Float32Array(BARS).fill(0.12);
  #share = 0;
  #listeners = new AbortController();

  /** `source`: a File. */
  constructor(source) {
    const redraw = () => this.draw(this.#share);
    this.resized = new ResizeObserver(redraw);
    this.resized.observe(this.element);
    window.addEventListener("theme", redraw, { signal: this.#listeners.signal });
    shapeOf(source).then((shape) => {
      if (shape) this.#shape = shape;
      redraw();
    });
  }

  /** Draws it; `share` of it, 0 to 1, has been played. */
  draw(share) {
    this.#share = share;
    paint(this.element, this.#shape, share);
  }

  destroy() {
    this.resized.disconnect();
    this.#listeners.abort();
  }
}

async function shapeOf(source) {
  if (source.size > MOST_BYTES) return null;
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
