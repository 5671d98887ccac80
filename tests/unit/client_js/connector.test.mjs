// A session across connections, on sockets that a test holds in its hands.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connector } from "../../../client-js/src/resume/connector.js";
import { audioFormat, ReplayBuffer } from "../../../client-js/src/resume/replay.js";
import { FakeSocket, final, ready, waited } from "./fake_socket.mjs";

function started(options = {}, query = { session_id: "s" }) {
  const sockets = [];
  const events = [];
  const over = [];
  const lost = [];
  const clock = { s: 1000 };
  const buffer = new ReplayBuffer(audioFormat("pcm_s16le", 16000));
  const session = new Connector({
    url: "ws://host/v1/stt/stream",
    query,
    buffer,
    onEvent: (event) => events.push(event),
    onLost: (reason) => lost.push(reason),
    onOver: (end) => over.push(end),
    openSocket: (url, subprotocols) => {
      sockets.push(new FakeSocket(url, subprotocols));
      return sockets.at(-1);
    },
    now: () => clock.s,
    ...options,
  });
  session.open();
  return {
    session,
    buffer,
    sockets,
    events,
    over,
    lost,
    clock,
    speak(n) {
      for (let i = 0; i < n; i += 1) buffer.push(new Uint8Array(1280));
      session.flush();
    },
  };
}
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
  await waited(300);
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

test("a server that lost the session gets everything that is not settled, from 1", async () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.speak(5);
  s.sockets[0].tell({ type: "ack", event: 5, received_seq: 5, committed_ms: 60 });
  s.sockets[0].drop(1012);
  await waited(300);
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
  await waited(300);
  s.sockets[1].tell(ready({ resumed: true, resume_from_seq: 1 }));
  assert.deepEqual(s.sockets[1].sent, ["stop"]);
  s.sockets[1].tell({ type: "done", event: 9, text: "" });
  assert.deepEqual(
    s.over.map(({ code }) => code),
    ["done"],
  );
  assert.equal(s.session.link, "over");
});

test("a refusal that will not change ends the session with its reason", () => {
  const s = started();
  s.sockets[0].tell({ type: "error", event: 1, code: "bad_config", message: "no", retryable: false });
  assert.deepEqual(s.over, [{ code: "bad_config", message: "no", retryAfterS: null, cause: undefined }]);
});

test("a server without a place is asked again", async () => {
  const s = started();
  s.sockets[0].tell({ type: "error", event: 1, code: "at_capacity", message: "full", retryable: true });
  await waited(300);
  assert.equal(s.sockets.length, 2);
  s.sockets[1].tell(ready());
  assert.equal(s.session.link, "open");
  s.session.close();
});

test("a server without a place is asked for as long as was said for that", async () => {
  const s = started({ openPatienceS: 1, fullPatienceS: 100 });
  s.sockets[0].tell({ type: "error", code: "at_capacity", message: "full", retryable: true, retry_after_s: 0 });
  assert.equal(s.session.refusedBy, "at_capacity");
  s.clock.s += 50;
  await waited(5);
  s.sockets[1].tell({ type: "error", code: "at_capacity", message: "full", retryable: true, retry_after_s: 0 });
  assert.deepEqual(s.over, []);
  s.clock.s += 50;
  await waited(5);
  s.sockets[2].tell({ type: "error", code: "at_capacity", message: "full", retryable: true, retry_after_s: 0 });
  assert.equal(s.over[0].code, "at_capacity");
});

test("a server that says when to come again is asked then", async () => {
  const s = started();
  const full = { type: "error", event: 1, code: "at_capacity", message: "full", retryable: true, retry_after_s: 0.6 };
  s.sockets[0].tell(full);
  await waited(400);
  assert.equal(s.sockets.length, 1, "not after the 0.25 s of its own");
  await waited(300);
  assert.equal(s.sockets.length, 2);
  s.session.close();
});

test("an attempt whose ready was lost is found again by the next one", async () => {
  const s = started();
  s.sockets[0].drop(1006);
  assert.equal(s.session.link, "connecting");
  await waited(300);
  const { query, subprotocols } = s.sockets[1];
  assert.deepEqual([query, subprotocols], [s.sockets[0].query, s.sockets[0].subprotocols]);
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


test("a socket that closes in mid-session says why the connection was lost", async () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.sockets[0].drop(1012, "restart");
  assert.deepEqual(s.lost, ["the server closed the connection with 1012 restart"]);
  await waited(300);
  s.sockets[1].onerror({ message: "connect ECONNREFUSED" });
  s.sockets[1].drop(1006);
  assert.deepEqual(s.lost.length, 1, "an attempt that fails is no lost connection");
  s.session.close();
});

test("a server that owes an answer and is silent counts as dead, later if it has much to do", () => {
  for (const [seconds, stopped, patience] of [
    [1, false, 8],
    [11, false, 32],
    [1, true, 32],
  ]) {
    const s = started();
    s.sockets[0].tell(ready());
    s.speak(seconds * 25);
    if (stopped) s.session.stop();
    s.clock.s += patience - 0.1;
    s.session.tick();
    assert.equal(s.session.link, "open", `${seconds} s of audio`);
    s.clock.s += 0.2;
    s.session.tick();
    assert.deepEqual(s.lost, [`nothing came for ${patience} s`]);
    assert.equal(s.sockets[0].closedWith, 4000, "a code that leaves the session to another connection");
    s.session.close();
  }
});

test("a server that owes nothing may be silent, and hears that the client is there", () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.speak(1);
  s.sockets[0].tell({ type: "ack", event: 2, received_seq: 1, committed_ms: 0 });
  for (let i = 0; i < 20; i += 1) {
    s.clock.s += 1;
    s.session.tick();
  }
  assert.equal(s.session.link, "open");
  assert.deepEqual(s.sockets[0].sent, [1, "keepalive", "keepalive", "keepalive"]);
  s.session.close();
});

test("the patience ends with what the server said last", async () => {
  const s = started({ openPatienceS: 0 });
  s.sockets[0].tell({ type: "error", event: 1, code: "at_capacity", message: "full", retryable: true, retry_after_s: 9 });
  assert.deepEqual(s.over, [{ code: "at_capacity", message: "full", retryAfterS: 9, cause: undefined }]);
});

test("an attempt without an answer is given up, and so is a wait for the last words", async () => {
  const s = started({ openTimeoutS: 0.3, donePatienceS: 0.05 });
  await waited(600);
  assert.equal(s.sockets.length, 2);
  s.sockets[1].tell(ready());
  s.session.stop();
  await waited(100);
  assert.equal(s.over[0].code, "no_answer");
});

test("what is no server of this protocol is refused", () => {
  for (const message of [{ type: "hello" }, { type: "ready" }, { no: "type" }, "text"]) {
    const s = started();
    s.sockets[0].tell(message);
    assert.deepEqual([s.over[0].code, s.sockets[0].closedWith], ["refused", 1000], JSON.stringify(message));
  }
  const s = started();
  s.sockets[0].onmessage({ data: "HTTP/1.1 200" });
  assert.equal(s.over[0].code, "refused");
});

test("a socket that cannot be opened at all ends the session", () => {
  const cause = new DOMException("not from a secure page", "SecurityError");
  const over = [];
  const session = new Connector({
    url: "ws://host/v1/stt/stream",
    query: {},
    buffer: new ReplayBuffer(audioFormat("webm")),
    onEvent: () => {},
    onOver: (end) => over.push(end),
    openSocket: () => {
      throw cause;
    },
  });
  session.open();
  assert.deepEqual(over, [{ code: "refused", message: "not from a secure page", retryAfterS: null, cause }]);
});

test("who abandons a session frees its workers", () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.session.close();
  assert.deepEqual([s.sockets[0].sent, s.sockets[0].closedWith, s.over[0].code], [["stop"], 1000, "closed"]);
});

test("a network that is back need not be waited for", () => {
  const s = started();
  s.sockets[0].tell(ready());
  s.sockets[0].drop(1006);
  s.session.retryNow();
  assert.equal(s.sockets.length, 2);
  s.session.close();
});

test("subprotocols are asked for at each connection", async () => {
  let key = "one";
  const s = started({ subprotocols: () => ["bearer", key] });
  key = "two";
  s.sockets[0].drop(1006);
  await waited(300);
  assert.deepEqual(
    s.sockets.map(({ subprotocols }) => subprotocols.slice(2)),
    [
      ["bearer", "one"],
      ["bearer", "two"],
    ],
  );
  s.session.close();
});

test("an error that the user can mend ends no session that was open", () => {
  const unauthorized = { type: "error", event: 9, code: "unauthorized", message: "it has expired", retryable: false };
  const s = started({ mendableAfterS: ({ code }) => (code === "unauthorized" ? 30 : null) });
  s.sockets[0].tell(ready());
  s.speak(2);
  s.sockets[0].tell(unauthorized);
  s.speak(1);
  assert.deepEqual([s.session.link, s.over.length], ["lost", 0]);
  s.session.retryNow();
  s.sockets[1].tell(ready({ resumed: true, resume_from_seq: 1 }));
  assert.deepEqual(s.sockets[1].sent, [2, 3]);
  s.sockets[1].tell({ ...unauthorized, code: "superseded" });
  assert.equal(s.over[0].code, "superseded");
  const closed = started({ mendableAfterS: () => 30 });
  closed.sockets[0].tell(unauthorized);
  assert.equal(closed.over[0].code, "unauthorized", "a session that never was open");
});

test("an attempt that was given up, and takes the session late, does not end it; another one does", async () => {
  const superseded = { type: "error", event: 9, code: "superseded", message: "taken", retryable: false };
  for (const take of [(socket) => socket.tell(superseded), (socket) => socket.drop(4509)]) {
    const s = started({ openTimeoutS: 0.02 });
    while (s.sockets.length < 2) await waited(1);
    s.sockets[1].tell(ready());
    s.speak(2);
    take(s.sockets[1]);
    assert.deepEqual([s.session.link, s.over.length, s.lost.length], ["lost", 0, 1]);
    s.session.retryNow();
    s.sockets[2].tell(ready({ resumed: true, resume_from_seq: 1 }));
    assert.deepEqual(s.sockets[2].sent, [2]);
    take(s.sockets[2]);
    assert.equal(s.over[0]?.code, "superseded");
  }
});
