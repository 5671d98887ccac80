// Runs in the audio thread and delivers the microphone's audio as 16 kHz s16 blocks of 40 ms: mono, or the channels that
// are kept apart, interleaved.
import { Resampler } from "./resampler.js";

const TARGET_RATE = 16000;
const BLOCK = 640;

class Capture extends AudioWorkletProcessor {
  constructor({ processorOptions: { channels } }) {
    super();
    this.resamplers = Array.from({ length: channels }, () =>
      sampleRate === TARGET_RATE ? null : new Resampler(sampleRate, TARGET_RATE),
    );
    this.block = new Int16Array(BLOCK * channels);
    this.used = 0;
    this.ended = false;
    this.port.onmessage = ({ data }) => {
      if (data !== "end") return;
      // The last words may be in a block that is not full.
      if (this.used) this.post(this.block.slice(0, this.used));
      this.ended = true;
      this.port.postMessage("ended");
    };
  }

  process([channels]) {
    if (this.ended) return false;
    if (!channels.length) return true;
    const ready = this.wanted(channels).map((samples, i) => this.resamplers[i]?.push(samples) ?? samples);
    for (let at = 0; at < ready[0].length; at += 1)
      for (const samples of ready) {
        const clipped = Math.max(-1, Math.min(1, samples[at]));
        this.block[this.used++] = Math.round(clipped * 32767);
        if (this.used === this.block.length) this.post(this.block.slice());
      }
    return true;
  }

  /** The channels to deliver, of those of the microphone. */
  wanted(channels) {
    if (this.resamplers.length === 1) return [channels.length === 1 ? channels[0] : mixed(channels)];
    return this.resamplers.map((_, i) => channels[i] ?? new Float32Array(channels[0].length));
  }

  post(samples) {
    this.port.postMessage(samples.buffer, [samples.buffer]);
    this.used = 0;
  }
}

function mixed(channels) {
  const out = new Float32Array(channels[0].length);
  for (const channel of channels) for (let i = 0; i < out.length; i += 1) out[i] += channel[i] / channels.length;
  return out;
}

registerProcessor("capture", Capture);
