import assert from "node:assert/strict";
import { test } from "node:test";
import { audioFormat, encoded, ReplayBuffer } from "../../../client-js/src/resume/replay.js";

const PCM = audioFormat("pcm_s16le", 16000);
const WEBM = audioFormat("webm");

const MS_BYTES = 32;
const audio = (ms, value = 1) => new Uint8Array(ms * MS_BYTES).fill(value);
const drain = (buffer) => {
  const out = [];
  for (let item = buffer.next(); item; item = buffer.next()) out.push(item);
  return out;
};
const seqs = (items) => items.map((item) => (item.kind === "chunk" ? item.seq : item.kind));

function sent(count, ms = 40) {
  const buffer = new ReplayBuffer(PCM);
  for (let i = 1; i <= count; i += 1) buffer.push(audio(ms, i));
  drain(buffer);
  return buffer;
}

test("chunks are numbered from 1 and sent once", () => {
  const buffer = new ReplayBuffer(PCM);
  buffer.push(audio(40));
  buffer.push(audio(40));
  assert.deepEqual(seqs(drain(buffer)), [1, 2]);
  assert.equal(buffer.next(), undefined);
  assert.equal(buffer.endMs, 80);
});

test("a message carries its number, big-endian, before the audio", () => {
  const message = encoded({ kind: "chunk", seq: 0x01020304, data: new Uint8Array([9, 8]) });
  assert.deepEqual([...message], [1, 2, 3, 4, 9, 8]);
  assert.equal(encoded({ kind: "stop" }), '{"type":"stop"}');
});

test("what is settled is forgotten, a chunk that reaches further is kept", () => {
  const buffer = sent(3);
  buffer.trim(79);
  assert.equal(buffer.keptBytes, 2 * 40 * MS_BYTES);
  buffer.resume(0);
  assert.deepEqual(seqs(drain(buffer)), [2, 3]);
});

test("resuming sends everything after the number that the server has, under the old numbers", () => {
  const buffer = sent(4);
  buffer.push(audio(40));
  buffer.resume(2);
  assert.deepEqual(seqs(drain(buffer)), [3, 4, 5]);
});

test("a server may have more than it told", () => {
  const buffer = sent(1);
  buffer.push(audio(40));
  buffer.push(audio(40));
  buffer.resume(2);
  assert.deepEqual(seqs(drain(buffer)), [3]);
});

test("finalize and stop are sent again when nobody knows if they arrived", () => {
  const buffer = sent(2);
  buffer.finalize();
  buffer.finalize();
  buffer.stop();
  assert.deepEqual(seqs(drain(buffer)), ["finalize", "stop"]);
  buffer.resume(2);
  assert.deepEqual(seqs(drain(buffer)), ["finalize", "stop"]);
});

test("a rebuilt session begins at committed_ms exactly, numbered from 1", () => {
  const buffer = sent(4);
  buffer.trim(50);
  buffer.rebuild(50);
  const items = drain(buffer);
  assert.deepEqual(seqs(items), [1, 2, 3]);
  assert.equal(items[0].data.length, 30 * MS_BYTES);
  assert.equal(items[0].data[0], 2);
  assert.equal(buffer.keptBytes, 110 * MS_BYTES);
  buffer.trim(90);
  buffer.resume(0);
  assert.deepEqual(seqs(drain(buffer)), [2, 3], "positions still count from the session's begin");
});

test("a recording keeps its header and is rebuilt whole", () => {
  const buffer = new ReplayBuffer(WEBM);
  for (let i = 0; i < 3; i += 1) buffer.push(new Uint8Array(10).fill(i));
  drain(buffer);
  buffer.trim(100000);
  buffer.received(3);
  assert.equal(buffer.canRebuild, true);
  buffer.rebuild(5000);
  assert.deepEqual(seqs(drain(buffer)), [1, 2, 3]);
});

test("a recording that is too long drops what the server holds, and cannot be rebuilt then", () => {
  const buffer = new ReplayBuffer(WEBM, { maxBytes: 30 });
  for (let i = 0; i < 3; i += 1) buffer.push(new Uint8Array(10));
  assert.equal(buffer.hasRoom(), false);
  drain(buffer);
  buffer.received(2);
  assert.equal(buffer.hasRoom(), true);
  assert.equal(buffer.canRebuild, false);
});

test("bare samples are never dropped before they are settled", () => {
  const buffer = new ReplayBuffer(PCM, { maxS: 0.08 });
  buffer.push(audio(40));
  buffer.push(audio(40));
  drain(buffer);
  buffer.received(2);
  assert.equal(buffer.hasRoom(), false);
  buffer.trim(40);
  assert.equal(buffer.hasRoom(), true);
});

test("what the server never got is handed to another session", () => {
  const buffer = sent(4);
  buffer.received(3);
  const { startMs, parts } = buffer.unreceived();
  assert.equal(startMs, 120);
  assert.deepEqual(
    parts.map((part) => part[0]),
    [4],
  );
});

test("a sample that was cut waits for the rest of its bytes", () => {
  const buffer = new ReplayBuffer(PCM);
  buffer.push(new Uint8Array([1]));
  buffer.push(new Uint8Array([2, 3, 4]));
  buffer.push(new Uint8Array([5]));
  assert.deepEqual(
    drain(buffer).map(({ data }) => [...data]),
    [[1, 2, 3, 4]],
  );
  buffer.stop();
  assert.deepEqual(seqs(drain(buffer)), [2, "stop"], "at the end it goes as it is: the server tells of it");
});

test("the longest chunk is half a second in whole samples", () => {
  for (const [format, longest] of [
    [PCM, 16000],
    [audioFormat("pcm_s16le", 48000, 3), 16380],
    [audioFormat("mulaw", 8000), 4000],
    [audioFormat("pcm_f32le", 192000, 8), 16384],
    [WEBM, 16384],
  ])
    assert.equal(new ReplayBuffer(format).maxChunkBytes, longest);
});

test("a configuration keeps its place, and a server that lost the session learns it again", () => {
  const buffer = new ReplayBuffer(PCM);
  buffer.configure({ keyterms: ["x"], replacements: { a: "b" } });
  buffer.push(audio(2000));
  buffer.configure({ keyterms: ["y"] });
  buffer.push(audio(2000));
  assert.deepEqual(seqs(drain(buffer)), ["configure", 1, "configure", 2]);
  buffer.trim(1000);
  buffer.resume(1);
  assert.deepEqual(seqs(drain(buffer)), ["configure", 2], "the server may not have it");
  buffer.rebuild(2500);
  const [first, ...rest] = drain(buffer);
  assert.equal(encoded(first), '{"type":"configure","keyterms":["y"],"replacements":{"a":"b"}}');
  assert.deepEqual(seqs(rest), [1]);
});
