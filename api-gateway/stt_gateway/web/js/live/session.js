// A live session from the page's point of view: audio in, events out, across reconnections.
import { accessKey } from "../ui/access_key.js";
import { handshake, isRebuilt, mayRetry, sessionAddress } from "./address.js";
import { Backoff } from "./backoff.js";
import { SessionProgress } from "./progress.js";
import { encoded } from "./replay.js";

const OPEN_PATIENCE_S = 12;
const PATIENCE_S = 900;
const DONE_PATIENCE_S = 60;
const OPEN_TIMEOUT_S = 10;
const DEAD_AFTER_S = 8;
const SIGN_IN_AGAIN_S = 30; // between attempts that a sign-in does not cut short
const KEEPALIVE_S = 5; // a server waits for the first audio for 10 s
const BUSY_FACTOR = 4;
const BUSY_BYTES = 10 * 32000;
const SOCKET_BYTES = 128 * 1024; // limit for the browser's own send buffer, where positions cannot be tracked

/** Calls `onOver` with {code, message} when it ends; the code is "done" after the server answered `stop`. */
export class LiveSession {
  link = "connecting"; // "open", "lost", "over"
  reconnects = 0;
  config = {};
  #socket = null;
  #progress = new SessionProgress();
  #backoff = new Backoff();
  // Chosen before the first connection, so that if `ready` is lost, the next attempt finds the same session.
  #token = newId();
  #opened = false;
  #error = null;
  #readyS = null;
  #receivedS = 0;
  #sentS = 0;
  #timers = new Map();

  /** `query`: parameters of every connection. `buffer`: a ReplayBuffer that the caller fills before calling `flush`.
   * `onEvent(event)` gets new events, and `ready` of a session that was started again; `onChange()` reports changes of `link`; `onOver({code, message})` comes once. */
  constructor({
    base,
    query,
    buffer,
    onEvent,
    onChange,
    onOver,
    openSocket = (address) => new WebSocket(...handshake(address, accessKey.subprotocols)),
    now = () => performance.now() / 1000,
  }) {
    Object.assign(this, { base, query, buffer, onEvent, onChange, onOver, openSocket, now });
  }

  get committedMs() {
    return this.#progress.committedMs;
  }
  /** Seconds since the last message from the server. */
  get quietS() {
    return this.now() - this.#receivedS;
  }

  open() {
    this.#connect();
  }

  /** Sends waiting items until the socket's buffer is full. */
  flush() {
    if (this.link !== "open") return;
    while (this.#socket.bufferedAmount < SOCKET_BYTES) {
      const item = this.buffer.next();
      if (!item) return;
      this.#socket.send(encoded(item));
      this.#sentS = this.now();
    }
    this.#later("flush", 0.1, () => this.flush());
  }

  /** Must be called often; detects a dead connection and keeps a silent one alive. */
  tick() {
    if (this.link !== "open") return;
    const waits = this.buffer.unreceivedBytes;
    const patience = DEAD_AFTER_S * (waits > BUSY_BYTES ? BUSY_FACTOR : 1);
    if (waits > 0 && this.quietS > patience && this.now() - this.#readyS > patience) return this.#lost("silent");
    if (this.now() - this.#sentS > KEEPALIVE_S && !this.buffer.stopped) {
      this.#socket.send('{"type":"keepalive"}');
      this.#sentS = this.now();
    }
  }

  /** Ends the audio; the last words arrive, then `done`. */
  stop() {
    if (this.buffer.stopped || this.link === "over") return;
    this.buffer.stop();
    this.flush();
    this.#awaitDone();
  }

  /** Abandons the session. */
  close() {
    this.#end({ code: "closed", message: "" });
  }

  /** Reconnects without further waiting, because the network or the user is back. */
  retryNow() {
    if (this.link === "lost" && this.#timers.has("retry")) {
      this.#cancel("retry");
      this.#connect();
    }
  }

  #connect() {
    this.#error = null;
    const isContainer = this.buffer.audio.frameBytes === null;
    const startMs = this.buffer.canRebuild ? (isContainer ? 0 : this.#progress.committedMs) : null;
    const socket = this.openSocket(sessionAddress(this.base, this.query, this.#token, this.#progress, startMs));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#readyS = null;
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => {
      if (socket === this.#socket) this.#closed(code);
    };
    this.#later("open", OPEN_TIMEOUT_S, () => {
      if (this.#readyS === null) this.#lost("no answer");
    });
  }

  #receive(event) {
    this.#receivedS = this.now();
    if (event.type === "ready") return this.#begin(event);
    if (event.type === "error") {
      this.#error = event;
      if (event.code === "unauthorized") accessKey.refused();
      return undefined;
    }
    const news = this.#progress.record(event);
    if (event.type === "ack") this.buffer.received(event.received_seq);
    this.buffer.trim(this.#progress.committedMs);
    if (news) this.onEvent(news);
    if (event.type === "done") this.#end({ code: this.buffer.stopped ? "done" : "ended", message: "" });
    else if (this.buffer.stopped) this.#awaitDone();
    return undefined;
  }

  #begin(ready) {
    if (this.#opened) {
      if (isRebuilt(ready, this.#progress.committedMs) && this.buffer.canRebuild)
        this.#rebuild(ready);
      else this.buffer.resume(ready.resume_from_seq ?? 0);
      this.reconnects += 1;
    }
    this.#opened = true;
    this.#token = ready.resume_token;
    this.config = ready.config ?? {};
    this.#cancel("open");
    this.#readyS = this.#sentS = this.now();
    this.#setLink("open");
    this.flush();
  }

  #rebuild(ready) {
    this.buffer.rebuild(this.#progress.committedMs);
    this.onEvent(ready);
  }

  #closed(code) {
    const error = this.#error;
    // Somebody who has signed in may do so again, and nothing that was said before is lost.
    const isSignedOut = error?.code === "unauthorized" && this.#opened && accessKey.signIn;
    if (isSignedOut) this.#lost(error.code, error.message, SIGN_IN_AGAIN_S);
    else if (error ? error.retryable : mayRetry(code))
      this.#lost(error?.code ?? "unreachable", error?.message, error?.retry_after_s);
    else this.#end({ code: error?.code ?? `closed_${code}`, message: error?.message ?? "" });
  }

  #lost(code, message = "", retryAfterS = null) {
    const socket = this.#socket;
    this.#socket = null;
    this.#cancel("open");
    // A dead peer never answers the closing handshake, so do not wait for it.
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    const patienceS = this.#opened ? PATIENCE_S : OPEN_PATIENCE_S;
    const waitS = this.#backoff.lost(this.now(), this.#readyS, patienceS, retryAfterS);
    this.#readyS = null;
    if (waitS === null) return this.#end({ code, message });
    this.#setLink(this.#opened ? "lost" : "connecting");
    return this.#later("retry", waitS, () => this.#connect());
  }

  #awaitDone() {
    this.#later("done", DONE_PATIENCE_S, () => this.#end({ code: "no_answer", message: "" }));
  }

  #end(over) {
    if (this.link === "over") return;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
    this.#setLink("over");
    this.onOver(over);
  }

  #setLink(link) {
    this.link = link;
    this.onChange();
  }
  #later(name, seconds, action) {
    this.#cancel(name);
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        action();
      }, seconds * 1000),
    );
  }
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** An unguessable id (crypto.randomUUID is missing on insecure origins). */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
