import assert from "node:assert/strict";
import { test } from "node:test";
import { Resampler } from "../../../api-gateway/stt_gateway/web/js/live/resampler.js";
import { indexAt, peaks } from "../../../api-gateway/stt_gateway/web/js/files/peaks.js";

const sine = (hz, rate, seconds) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
function resampled(input, from, to, block = 128) {
  const resampler = new Resampler(from, to);
  const out = [];
  for (let i = 0; i < input.length; i += block) out.push(...resampler.push(input.subarray(i, i + block)));
  return out;
}
const rms = (values) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);

for (const rate of [44100, 48000, 96000]) {
  test(`${rate} Hz: a voice stays what it was`, () => {
    const out = resampled(sine(1000, rate, 0.5), rate, 16000);
    assert.ok(Math.abs(out.length - 8000) < 60, `${out.length} samples`);
    const error = out.slice(200, -200).map((v, i) => v - Math.sin((2 * Math.PI * 1000 * (i + 200)) / 16000));
    assert.ok(rms(error) < 0.003, `error ${rms(error)}`);
  });
  test(`${rate} Hz: what 16 kHz cannot carry is gone, not folded down`, () => {
    const out = resampled(sine(9500, rate, 0.5), rate, 16000);
    assert.ok(rms(out.slice(200, -200)) < 0.004, `${rms(out.slice(200, -200))}`);
  });
}

test("the size of the pieces changes nothing", () => {
  const input = sine(440, 48000, 0.2);
  const one = resampled(input, 48000, 16000, 128);
  const other = resampled(input, 48000, 16000, 1000);
  for (let i = 0; i < Math.min(one.length, other.length); i += 1) assert.ok(Math.abs(one[i] - other[i]) < 1e-6);
});

test("the shape of a recording", () => {
  const shape = peaks(Float32Array.from([...Array(100).fill(0), ...Array(100).fill(0.5)]), 2);
  assert.deepEqual([...shape], [0, 1]);
  assert.deepEqual([...peaks(new Float32Array(10), 2)], [0, 0]);
});

test("the word at a time", () => {
  assert.deepEqual(
    [-1, 0, 1, 2.5, 9].map((time) => indexAt([0, 1, 2], time)),
    [-1, 0, 1, 2, 2],
  );
  assert.equal(indexAt([], 1), -1);
});

const posted = [];
globalThis.sampleRate = 16000;
globalThis.AudioWorkletProcessor = class {
  port = { postMessage: (data) => typeof data !== "string" && posted.push(...new Int16Array(data)) };
};
const Capture = await new Promise((resolve) => {
  globalThis.registerProcessor = (_, processor) => resolve(processor);
  import("../../../api-gateway/stt_gateway/web/js/live/worklet.js");
});

/** What the worklet delivers of a microphone with these channels, 128 samples at a time. */
function captured(wanted, ...channels) {
  posted.length = 0;
  const capture = new Capture({ processorOptions: { channels: wanted } });
  for (let at = 0; at < channels[0].length; at += 128)
    capture.process([channels.map((samples) => samples.subarray(at, at + 128))]);
  capture.port.onmessage({ data: "end" });
  return [...posted];
}

test("channels that are kept apart are interleaved, others mixed, and none is lost at the end", () => {
  const constant = (value) => new Float32Array(1000).fill(value);
  const repeated = (...values) => Array.from({ length: 1000 }, () => values).flat();
  assert.deepEqual(captured(1, constant(0.5)), repeated(16384));
  assert.deepEqual(captured(1, constant(0.5), constant(-0.25)), repeated(4096));
  assert.deepEqual(captured(2, constant(0.5), constant(-0.25)), repeated(16384, -8192));
  assert.deepEqual(captured(2, constant(0.5)), repeated(16384, 0));
});
