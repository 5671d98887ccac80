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
