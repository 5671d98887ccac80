// Streaming resampler from any sample rate to a lower one: a windowed sinc, read from a table. Pure; runs in the audio
// thread.

const ZERO_CROSSINGS = 16;
const PHASES = 128;
const ROLL_OFF = 0.94; // of the lower Nyquist frequency: the rest is the filter's slope

export class Resampler {
  #table;
  #step;
  #reach;
  #scale;
  #samples;
  #start = 0;
  #position = 0;
  #received = 0;

  constructor(fromRate, toRate) {
    this.#step = fromRate / toRate;
    this.#scale = Math.min(1, toRate / fromRate) * ROLL_OFF;
    this.#reach = Math.ceil(ZERO_CROSSINGS / this.#scale);
    this.#table = kernel();
    this.#samples = new Float32Array(this.#reach); // silence before the first sample
    this.#start = -this.#reach;
  }

  /** Takes samples and returns those that are ready (Float32Array in and out). */
  push(input) {
    const samples = new Float32Array(this.#samples.length + input.length);
    samples.set(this.#samples);
    samples.set(input, this.#samples.length);
    this.#received += input.length;
    const out = [];
    for (; this.#position + this.#reach < this.#received; this.#position += this.#step)
      out.push(this.#at(samples, this.#position));
    const keepFrom = Math.max(0, Math.floor(this.#position) - this.#reach - this.#start);
    this.#samples = samples.slice(keepFrom);
    this.#start += keepFrom;
    return Float32Array.from(out);
  }

  #at(samples, position) {
    const first = Math.ceil(position - this.#reach);
    const last = Math.floor(position + this.#reach);
    let sum = 0;
    for (let i = first; i <= last; i += 1) {
      const index = i - this.#start;
      if (index < 0 || index >= samples.length) continue;
      const x = Math.abs(position - i) * this.#scale * PHASES;
      const k = x | 0;
      if (k + 1 < this.#table.length)
        sum += samples[index] * (this.#table[k] + (x - k) * (this.#table[k + 1] - this.#table[k]));
    }
    return sum * this.#scale;
  }
}

function kernel() {
  const table = new Float64Array(ZERO_CROSSINGS * PHASES + 1);
  for (let i = 0; i < table.length; i += 1) {
    const x = i / PHASES;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    table[i] = sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / ZERO_CROSSINGS));
  }
  return table;
}
