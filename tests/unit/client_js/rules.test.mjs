// Rules without a socket, checked with the same examples as the Python client's and the server's (tests/data).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Inbox } from "../../../client-js/src/inbox.js";
import { handshake, isRebuilt, liveUrl } from "../../../client-js/src/resume/address.js";
import { Backoff } from "../../../client-js/src/resume/backoff.js";
import { closeError } from "../../../client-js/src/resume/errors.js";
import { SessionProgress } from "../../../client-js/src/resume/progress.js";
import { joinTexts, needsSpace } from "../../../client-js/src/resume/text.js";

const examples = (name) => JSON.parse(readFileSync(new URL(`../../data/${name}.json`, import.meta.url)));

test("progress is that of the Python client", () => {
  for (const { name, steps } of examples("session_progress")) {
    const progress = new SessionProgress();
    for (const { event, delivered, ...expected } of steps) {
      const news = progress.record(event)?.event ?? null;
      const { lastEvent, finals, committedMs, committedFinals } = progress;
      const found = [news, lastEvent, finals, committedMs, committedFinals];
      const { last_event, committed_ms, committed_finals } = expected;
      const text = `${name}: ${JSON.stringify(event)}`;
      assert.deepEqual(found, [delivered, last_event, expected.finals, committed_ms, committed_finals], text);
    }
  }
});

test("done tells all finals of the session, though the server knows only the last", () => {
  const progress = new SessionProgress();
  for (const [utterance, text] of [[1, "one"], [2, ""], [3, "three"]])
    progress.record({ type: "final", event: utterance + 1, utterance, text, start_ms: 0 });
  const done = progress.record({ type: "done", event: 5, text: "three", finals: 1, duration_ms: 9 });
  assert.deepEqual(done, { type: "done", event: 5, text: "one three", finals: 3, duration_ms: 9 });
});

test("spaces between texts", () => {
  for (const { before, after, spaced } of examples("text_spacing"))
    assert.equal(needsSpace(before, after), spaced, `${before}|${after}`);
  assert.equal(joinTexts(["", "one", "", "two", "下雨。", "three"]), "one two下雨。three");
});

test("attempts get rarer, and end", () => {
  const backoff = new Backoff(() => 1);
  const waits = Array.from({ length: 7 }, (_, i) => backoff.lost(i, null, 100));
  assert.deepEqual(waits, [0.25, 0.5, 1, 2, 4, 5, 5]);
  assert.equal(backoff.lost(7, null, 100, 1.3), 1.3, "what the server said comes first");
  assert.equal(backoff.lost(98, null, 100, 9), 2, "the last attempt comes in time");
  assert.equal(backoff.lost(101, null, 100), null);
  assert.equal(backoff.lost(200, 150, 100), 0.25, "a connection that held ends the trouble");
  assert.equal(new Backoff(() => 0).lost(0, null, 100), 0.125);
});

test("the live path of a suite", () => {
  for (const [given, path] of [
    ["ws://host:8000", "ws://host:8000/v1/stt/stream"],
    ["http://host:8000/", "ws://host:8000/v1/stt/stream"],
    ["https://host/speech", "wss://host/speech/v1/stt/stream"],
    ["wss://host/v1/stt/stream", "wss://host/v1/stt/stream"],
    ["ws://[::1]:8000/tools/stt", "ws://[::1]:8000/tools/stt/v1/stt/stream"],
  ])
    assert.equal(liveUrl(given), path);
  for (const given of ["host:8000", "ftp://host", "ws://", "ws://host?language=en", ""])
    assert.throws(() => liveUrl(given), { name: "TypeError", message: /is not the address of a suite/ }, given);
});

test("a session is resumed with what the client has", () => {
  const progress = new SessionProgress();
  for (const event of [
    { type: "final", event: 2, utterance: 1, start_ms: 0, text: "a" },
    { type: "ack", event: 3, received_seq: 1, committed_ms: 1000 },
    { type: "final", event: 4, utterance: 2, start_ms: 1000, text: "b" },
  ])
    progress.record(event);
  const query = { session_id: "s 1", framing: "seq32" };
  const resumed = "ws://a/x?session_id=s+1&framing=seq32&last_event=4";
  const [url] = handshake("ws://a/x", query, "t", progress, 1000);
  assert.equal(url, `${resumed}&committed_ms=1000&finals=1&start_ms=1000`);
  assert.equal(handshake("ws://a/x", query, "t", progress, null)[0], resumed, "without the audio nothing can be rebuilt");
});

test("what proxies must not log is carried besides the address", () => {
  const prompt = "Ann & Bob, Größe: 100 % 快";
  const [url, offers] = handshake("ws://a/x", { prompt, language: "de" }, "T-_1", new SessionProgress(), 0);
  assert.equal(url, "ws://a/x?language=de&last_event=0&committed_ms=0&finals=0&start_ms=0");
  assert.equal(offers[0], "stt");
  assert.match(offers[1], /^query\.[A-Za-z0-9_-]+$/);
  const carried = new URLSearchParams(Buffer.from(offers[1].slice("query.".length), "base64url").toString());
  assert.deepEqual(Object.fromEntries(carried), { prompt, resume_token: "T-_1" });
});

test("which closes another connection may mend", () => {
  for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 4408, 4429, 4432, 4499])
    assert.equal(closeError(code).mayRetry, true, String(code));
  for (const code of [1002, 1008, 1009, 4500, 4502, 4509, 4999])
    assert.equal(closeError(code).mayRetry, false, String(code));
  assert.deepEqual(closeError(4509, "why"), {
    code: "superseded",
    message: "the server closed the connection with 4509 why",
    mayRetry: false,
  });
});

test("a session that was rebuilt without its audio begins again", () => {
  assert.equal(isRebuilt({ type: "ready", resumed: true, resume_from_seq: 7 }, 500), false);
  assert.equal(isRebuilt({ type: "ready", resumed: true, resume_from_seq: 0 }, 500), true);
  assert.equal(isRebuilt({ type: "ready", resumed: true, resume_from_seq: 0 }, 0), false);
  assert.equal(isRebuilt({ type: "ready", resumed: false }, 0), true);
});

const partial = (utterance, event, more = {}) => ({ type: "partial", utterance, event, ...more });
const taken = (inbox) => {
  const events = [];
  for (let event = inbox.take(); event; event = inbox.take()) events.push(event.event);
  return events;
};

test("a newer partial replaces the older, and a final that of its utterance", () => {
  const inbox = new Inbox();
  const said = [partial(1, 1), partial(1, 2), { type: "speech_ended", event: 3 }, partial(2, 4)];
  for (const event of [...said, { type: "final", utterance: 1, event: 5 }, partial(3, 6), partial(2, 7)]) inbox.put(event);
  assert.deepEqual(taken(inbox), [3, 5, 6, 7]);
});

test("partials of two channels do not replace each other", () => {
  const inbox = new Inbox();
  for (const [channel, utterance, event] of [[0, 1, 1], [1, 1, 2], [0, 2, 3]])
    inbox.put(partial(utterance, event, { channel }));
  inbox.put({ type: "final", utterance: 1, event: 4, channel: 1 });
  assert.deepEqual(taken(inbox), [3, 4]);
});

test("a queue that nobody reads is full at some time, of finals", () => {
  const inbox = new Inbox();
  for (let n = 1; n <= 10_000; n += 1) {
    assert.equal(inbox.isFull, false);
    inbox.put({ type: "final", utterance: n, event: n });
  }
  assert.equal(inbox.isFull, true);
  inbox.take();
  assert.equal(inbox.isFull, false);
});
