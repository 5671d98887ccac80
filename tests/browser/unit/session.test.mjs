import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pcm, ReplayBuffer } from "../../../api-gateway/stt_gateway/web/js/live/replay.js";
import { LiveSession } from "../../../api-gateway/stt_gateway/web/js/live/session.js";
import {
  handshake,
  isRebuilt,
  mayRetry,
  sessionAddress,
  socketBase,
} from "../../../api-gateway/stt_gateway/web/js/live/address.js";
import { accessKey } from "../../../api-gateway/stt_gateway/web/js/ui/access_key.js";
import { Backoff } from "../../../api-gateway/stt_gateway/web/js/live/backoff.js";
import { SessionProgress } from "../../../api-gateway/stt_gateway/web/js/live/progress.js";

const tick = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

class FakeSocket {
  bufferedAmount = 0;
  sent = [];
  constructor(url) {
    this.url = new URL(url);
    this.query = Object.fromEntries(this.url.searchParams);
  }
  send(message) {
    this.sent.push(typeof message === "string" ? JSON.parse(message).type : new DataView(message.buffer).getUint32(0));
  }
  close(code) {
    this.closedWith = code ?? "plain";
  }
  tell(event) {
    this.onmessage({ data: JSON.stringify(event) });
  }
  drop(code) {
    this.onclose({ code });
  }
}

function started(query = { session_id: "s" }) {
  const sockets = [];
  const events = [];
  const over = [];
  const buffer = new ReplayBuffer(pcm(16000));
  const session = new LiveSession({
    base: "ws://host",
    query,
    buffer,
    onEvent: (event) => events.push(event),
    onChange: () => {},
    onOver: (end) => over.push(end),
    openSocket: (url) => {
      sockets.push(new FakeSocket(url));
      return sockets.at(-1);
    },
  });
  session.open();
  return {
    session,
    buffer,
    sockets,
    events,
    over,
    speak(n) {
      for (let i = 0; i < n; i += 1) buffer.push(new Uint8Array(1280));
      session.flush();
    },
  };
}
const ready = (more = {}) => ({
  type: "ready",
  event: 1,
  session_id: "s",
  resume_token: "T",
  resume_from_seq: 0,
  resumed: null,
  ...more,
});
const final = (utterance, event) => ({
  type: "final",
  event,
  utterance,
  text: `u${utterance}`,
  start_ms: 0,
  end_ms: 1,
  words: [],
});

test("speech before ready is kept, then sent in order", () => {
  const s = started();
  s.speak(3);
  assert.deepEqual(s.sockets[0].sent, []);
  s.sockets[0].tell(ready());
  assert.deepEqual(s.sockets[0].sent, [1, 2, 3]);
  s.session.close();
});

test("a lost connection is resumed with what is known, and only what is missing is sent again", async () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.speak(5);
  s.sockets[0].tell(final(1, 4));
  s.sockets[0].tell({ type: "ack", event: 5, received_seq: 3, committed_ms: 40 });
  s.sockets[0].tell(final(2, 6));
  s.sockets[0].drop(1006);
  assert.equal(s.session.link, "lost");
  s.speak(1);
  await tick(300);
  const { query, sent } = s.sockets[1];
  assert.deepEqual(query, {
    session_id: "s",
    resume_token: "T",
    last_event: "6",
    committed_ms: "40",
    finals: "1",
    start_ms: "40",
  });
  assert.deepEqual(sent, [], "nothing before ready");
  s.sockets[1].tell(ready({ resumed: true, resume_from_seq: 4 }));
  assert.deepEqual(sent, [5, 6]);
  s.sockets[1].tell(final(2, 6));
  s.sockets[1].tell(final(3, 7));
  assert.deepEqual(
    s.events.map((event) => event.utterance),
    [1, 2, 3],
    "nothing twice",
  );
  s.session.close();
});

test("whoever signs in again goes on where the sign-in ended; a key that ended ends the session", () => {
  const unauthorized = { type: "error", event: 9, code: "unauthorized", message: "the sign-in has expired", retryable: false };
  for (const signIn of [{ refresh_token: "", name: "ann", renewAt: 0 }, null]) {
    accessKey.keep("eyJ.e30.x", signIn);
    const s = started();
    s.sockets[0].tell(ready());
    s.speak(2);
    s.sockets[0].tell(unauthorized);
    s.sockets[0].drop(4510);
    s.speak(1);
    if (!signIn) {
      assert.deepEqual(s.over, [{ code: "unauthorized", message: "the sign-in has expired" }]);
      continue;
    }
    assert.deepEqual([s.session.link, s.over.length], ["lost", 0]);
    s.session.retryNow();
    s.sockets[1].tell(ready({ resumed: true, resume_from_seq: 1 }));
    assert.deepEqual(s.sockets[1].sent, [2, 3]);
    s.session.close();
  }
  accessKey.forget();
});

test("a server that lost the session gets everything that is not settled, from 1", async () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.speak(5);
  s.sockets[0].tell({ type: "ack", event: 5, received_seq: 5, committed_ms: 60 });
  s.sockets[0].drop(1012);
  await tick(300);
  s.sockets[1].tell(ready({ resumed: false }));
  assert.deepEqual(s.sockets[1].sent, [1, 2, 3, 4]);
  s.session.close();
});

test("stop is repeated after a loss; done ends the session once", async () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.speak(1);
  s.session.stop();
  assert.deepEqual(s.sockets[0].sent, [1, "stop"]);
  s.sockets[0].drop(1006);
  await tick(300);
  s.sockets[1].tell(ready({ resumed: true, resume_from_seq: 1 }));
  assert.deepEqual(s.sockets[1].sent, ["stop"]);
  s.sockets[1].tell({ type: "done", event: 9, text: "" });
  assert.deepEqual(s.over, [{ code: "done", message: "" }]);
  assert.equal(s.session.link, "over");
});

test("a refusal that will not change ends the session with its reason", () => {
  const s = started();
  s.sockets[0].tell({ type: "error", event: 1, code: "bad_config", message: "no", retryable: false });
  s.sockets[0].drop(4502);
  assert.deepEqual(s.over, [{ code: "bad_config", message: "no" }]);
});

test("a server without a place is asked again", async () => {
  const s = started();
  s.sockets[0].tell({ type: "error", event: 1, code: "at_capacity", message: "full", retryable: true });
  s.sockets[0].drop(4429);
  await tick(300);
  assert.equal(s.sockets.length, 2);
  s.sockets[1].tell(ready());
  assert.equal(s.session.link, "open");
  s.session.close();
});

test("a server that says when to come again is asked then", async () => {
  const s = started();
  const full = { type: "error", event: 1, code: "at_capacity", message: "full", retryable: true, retry_after_s: 0.6 };
  s.sockets[0].tell(full);
  s.sockets[0].drop(4429);
  await tick(400);
  assert.equal(s.sockets.length, 1, "not after the 0.25 s of its own");
  await tick(300);
  assert.equal(s.sockets.length, 2);
  s.session.close();
});

test("an attempt whose ready was lost is found again by the next one", async () => {
  const s = started();
  s.sockets[0].drop(1006);
  assert.equal(s.session.link, "connecting");
  await tick(300);
  const { query } = s.sockets[1];
  assert.deepEqual(query, s.sockets[0].query);
  assert.equal(query.committed_ms, "0");
  assert.match(query.resume_token, /^[0-9a-f]{32}$/);
  s.sockets[1].tell(ready({ resumed: true }));
  s.speak(1);
  assert.deepEqual(s.sockets[1].sent, [1]);
  assert.equal(s.session.reconnects, 0);
  s.session.close();
});

test("a session that the server ended says so", () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.sockets[0].tell({ type: "done", event: 3, text: "" });
  assert.equal(s.over[0].code, "ended");
});

test("addresses", () => {
  assert.equal(socketBase("https://a:1/#/live"), "wss://a:1");
  assert.equal(socketBase("http://[::1]:8000/tools/stt/?a=b#/files/x"), "ws://[::1]:8000/tools/stt");
  const url = new URL(sessionAddress("ws://a", { language: "en" }, "T", new SessionProgress(), null));
  assert.equal(`${url}`, "ws://a/v1/stt/stream?language=en&resume_token=T&last_event=0");
  assert.equal(url.searchParams.has("committed_ms"), false, "without the audio nothing can be rebuilt");
});

test("a handshake keeps secrets out of the address", () => {
  const prompt = "Ann & Bob, Größe: 100 %";
  const query = { language: "en", prompt };
  const [url, offers] = handshake(sessionAddress("wss://a/stt", query, "T-_1", new SessionProgress(), 0));
  assert.equal(url, "wss://a/stt/v1/stt/stream?language=en&last_event=0&committed_ms=0&finals=0&start_ms=0");
  assert.equal(offers[0], "stt");
  assert.match(offers[1], /^query\.[A-Za-z0-9_-]+$/);
  const carried = new URLSearchParams(Buffer.from(offers[1].slice("query.".length), "base64url").toString());
  assert.deepEqual(Object.fromEntries(carried), { resume_token: "T-_1", prompt });
  assert.deepEqual(handshake(url, ["bearer", "key"])[1].slice(2), ["bearer", "key"]);
});

test("which codes are worth another try", () => {
  for (const code of [1006, 1005, 1011, 1012, 1013, 4408, 4429, 4432]) assert.equal(mayRetry(code), true, String(code));
  for (const code of [1000, 1009, 4500, 4502, 4509]) assert.equal(mayRetry(code), false, String(code));
});

test("a session that was rebuilt without its audio begins again", () => {
  assert.equal(isRebuilt({ resumed: true, resume_from_seq: 7 }, 500), false);
  assert.equal(isRebuilt({ resumed: true, resume_from_seq: 0 }, 500), true);
  assert.equal(isRebuilt({ resumed: true, resume_from_seq: 0 }, 0), false);
  assert.equal(isRebuilt({ resumed: false }, 0), true);
});

test("attempts get rarer, and end", () => {
  const backoff = new Backoff(() => 1);
  const waits = Array.from({ length: 7 }, (_, i) => backoff.lost(i, null, 100));
  assert.deepEqual(waits, [0.25, 0.5, 1, 2, 4, 5, 5]);
  assert.equal(backoff.lost(7, null, 100, 1.3), 1.3, "what the server said comes first");
  assert.equal(backoff.lost(98, null, 100, 9), 2, "the last attempt comes in time");
  assert.equal(backoff.lost(101, null, 100), null);
  assert.equal(backoff.lost(200, 150, 100), 0.25, "a connection that held ends the trouble");
});

test("progress is that of the Python client", () => {
  const sequences = JSON.parse(readFileSync(new URL("../../data/session_progress.json", import.meta.url)));
  for (const { name, steps } of sequences) {
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
