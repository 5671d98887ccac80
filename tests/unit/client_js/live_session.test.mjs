// Sessions as programs use them, on sockets that a test holds in its hands.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, SessionError } from "../../../client-js/src/index.js";
import { FakeSocket, final, ready, waited } from "./fake_socket.mjs";

async function opened(options = {}) {
  const sockets = [];
  const openSocket = (url, subprotocols) => {
    sockets.push(new FakeSocket(url, subprotocols));
    return sockets.at(-1);
  };
  const connecting = connect("http://host", { openSocket, ...options });
  await waited();
  sockets[0].tell(ready({ config: { language: "en" } }));
  return { session: await connecting, sockets, socket: sockets[0] };
}
const ended = { type: "done", event: 99, text: "" };
const isOver = (code) => (error) => error instanceof SessionError && error.code === code;

test("audio goes out in order, events come in, until done", async () => {
  const { session, socket } = await opened({ sessionId: "mine", language: "en", apiKey: "k" });
  assert.deepEqual([session.sessionId, session.config], ["mine", { language: "en" }]);
  assert.deepEqual(socket.subprotocols.slice(2), ["bearer", "k"]);
  const { resume_token, ...query } = socket.query;
  assert.match(resume_token, /^[0-9a-f]{32}$/);
  assert.deepEqual(query, {
    sample_rate: "16000",
    encoding: "pcm_s16le",
    channels: "1",
    language: "en",
    session_id: "mine",
    framing: "seq32",
    last_event: "0",
    committed_ms: "0",
    finals: "0",
    start_ms: "0",
  });
  session.send(new Blob([new Uint8Array(640)]));
  session.send(new Int16Array(320));
  session.configure({ keyterms: ["Ann"] });
  session.finalize();
  await session.stop();
  await session.stop();
  assert.deepEqual(socket.sent, [1, 2, "configure", "finalize", "stop"]);
  socket.tell(final(1, 2));
  socket.tell(ended);
  const events = [];
  for await (const event of session) events.push(event.text);
  assert.deepEqual(events, ["u1", "u1"]);
  await assert.rejects(session.send(new Uint8Array(2)), isOver("over"));
});

test("the caller may use its buffer again", async () => {
  const { session, socket } = await opened();
  const seen = [];
  socket.send = (message) => seen.push(message);
  const audio = new Uint8Array(4).fill(1);
  const sending = session.send(audio);
  audio.fill(2);
  await sending;
  assert.deepEqual([...seen[0]], [0, 0, 0, 1, 1, 1, 1, 1]);
  session.close();
});

test("a full buffer makes send wait until audio is settled", async () => {
  const { session, socket } = await opened({ bufferS: 60 });
  let isSent = false;
  const sending = session.send(new Uint8Array(61 * 32_000)).then(() => (isSent = true));
  await waited(10);
  assert.equal(isSent, false);
  assert.equal(socket.sent.length, 120);
  socket.tell({ type: "ack", event: 2, received_seq: 120, committed_ms: 2000 });
  await sending;
  assert.equal(socket.sent.length, 122);
  session.close();
});

test("an event that is awaited comes as soon as it is there, and a loop that was left goes on in the next", async () => {
  const { session, socket } = await opened();
  const next = session[Symbol.asyncIterator]().next();
  socket.tell(final(1, 2));
  assert.equal((await next).value.text, "u1");
  socket.tell(final(2, 3));
  socket.tell(final(3, 4));
  for await (const event of session) {
    assert.equal(event.text, "u2");
    break;
  }
  for await (const event of session) {
    assert.equal(event.text, "u3");
    break;
  }
  session.close();
});

test("lost connections are told, resumed and counted", async () => {
  const told = [];
  const { session, sockets } = await opened({ onLost: (why) => told.push(why), onResumed: () => told.push("resumed") });
  sockets[0].drop(1006);
  await waited(300);
  sockets[1].tell(ready({ resumed: true }));
  assert.deepEqual(told, ["the connection was cut", "resumed"]);
  assert.equal(session.reconnects, 1);
  session.close();
});

test("a session that cannot go on rejects everything with the reason", async () => {
  const { session, socket } = await opened();
  const reading = session[Symbol.asyncIterator]().next();
  socket.tell({ type: "error", event: 2, code: "superseded", message: "another", retryable: false });
  await assert.rejects(reading, isOver("superseded"));
  await assert.rejects(session.send(new Uint8Array(2)), { message: "another", retryAfterS: null });
  await assert.rejects(session.finalize(), isOver("superseded"));
  await session.stop();
});

test("who does not get in learns why, and when to come again", async () => {
  const sockets = [];
  const openSocket = (url) => {
    sockets.push(new FakeSocket(url));
    return sockets[0];
  };
  const connecting = connect("ws://host", { openSocket, openPatienceS: 0 });
  await waited();
  sockets[0].tell({ type: "error", event: 1, code: "at_capacity", message: "full", retryable: true, retry_after_s: 1.3 });
  await assert.rejects(connecting, { code: "at_capacity", message: "full", retryAfterS: 1.3 });
});

test("leaving early abandons the session", async () => {
  const { session, socket } = await opened();
  session.close();
  session.close();
  assert.deepEqual(socket.sent, ["stop"]);
  await assert.rejects(session.send(new Uint8Array(2)), isOver("over"));
});

test("options that are not allowed", async () => {
  const openSocket = () => assert.fail("nothing may be opened");
  const refused = (options, error) => assert.rejects(connect("ws://a", { openSocket, ...options }), error);
  await refused({ bufferS: 30 }, { name: "RangeError", message: "bufferS=30 is not allowed; it must be at least 60" });
  await refused({ samplerate: 8000 }, { name: "TypeError", message: "samplerate is no option of connect" });
  await assert.rejects(connect("a", { openSocket }), /is not the address of a suite/);
  const { session } = await opened();
  assert.throws(() => session.send("text"), /send takes an ArrayBuffer, a typed array or a Blob/);
  session.close();
});

test("a runtime without WebSocket says what helps", { skip: typeof WebSocket !== "undefined" }, async () => {
  await assert.rejects(connect("ws://a"), { name: "TypeError", message: /pass openSocket/ });
});
