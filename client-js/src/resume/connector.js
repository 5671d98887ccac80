// Keeps a session connected: audio from a replay buffer goes out and events come in, across any number of connections.
import { handshake, isRebuilt, newId } from "./address.js";
import { Backoff } from "./backoff.js";
import { closeError } from "./errors.js";
import { SessionProgress } from "./progress.js";
import { encoded } from "./replay.js";

/** @typedef {import("./progress.js").AnyEvent} AnyEvent */
/** @typedef {{code: string, message: string, retryAfterS: number | null, cause?: unknown}} Over How a session ended. The
 * code is "done" after the server answered `stop`, "ended" if it ended the session by itself, "closed" after `close`;
 * others are those of SessionError. */
/** @typedef {object} Options
 * @property {string} url of the live path
 * @property {Record<string, string | number>} query parameters of every connection
 * @property {import("./replay.js").ReplayBuffer} buffer which the caller fills before calling `flush`
 * @property {(event: AnyEvent) => void} onEvent gets new events, and `ready` of a session that was started again
 * @property {(over: Over) => void} onOver comes once
 * @property {() => void} [onChange] `link` has changed, or the server has received or settled audio
 * @property {(reason: string) => void} [onLost] a connection that was ready is lost
 * @property {() => void} [onResumed] another one is ready
 * @property {(error: AnyEvent) => number | null} [mendableAfterS] seconds after which to try again in spite of an error that
 * would end a session that was open; null: it ends
 * @property {() => string[]} [subprotocols] to offer besides its own, asked for each connection
 * @property {(url: string, subprotocols: string[]) => WebSocket} [openSocket]
 * @property {number} [patienceS] longest time without a connection
 * @property {number} [openPatienceS] longest time until the first connection
 * @property {number} [fullPatienceS] the same where the server is full (at_capacity); as long as `openPatienceS` by default
 * @property {number} [openTimeoutS] longest time that one attempt may take
 * @property {number} [donePatienceS] longest wait for `done` after the last event
 * @property {number} [deadAfterS] how long a server that owes an answer may be silent
 * @property {() => number} [now] seconds of any clock */

const KEEPALIVE_S = 5; // a server waits for the first audio for 10 s
// A server that has much to read, or last words to decode, may be silent for longer.
const BUSY_FACTOR = 4;
const BUSY_MS = 10_000;
const BUSY_BYTES = 256 * 1024;
const SOCKET_BYTES = 128 * 1024; // limit for the socket's own send buffer, where positions cannot be tracked
const FLUSH_S = 0.1;
const CLOSE_S = 0.1; // within which a close follows an error
const LOST = 4000; // a close code after which the server waits for another connection

export class Connector {
  /** @type {"connecting" | "open" | "lost" | "over"} */
  link = "connecting";
  /** Number of connections after the first. */
  reconnects = 0;
  /** The code by which the server has refused the session that is not open yet; null. @type {string | null} */
  refusedBy = null;
  /** Configuration of the session, as sent by the server. @type {Record<string, any>} */
  config = {};
  /** @type {WebSocket | null} */
  #socket = null;
  #progress = new SessionProgress();
  #backoff = new Backoff();
  // Chosen before the first connection, so that if `ready` is lost, the next attempt finds the same session.
  #token = newId();
  #wasOpen = false;
  #unanswered = 0; // attempts that the server may still carry out
  /** @type {number | null} */
  #readyS = null;
  #receivedS = 0;
  #sentS = 0;
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();
  #options;
  #buffer;
  #now;

  /** @param {Options} options */
  constructor(options) {
    this.#options = {
      onChange: () => {},
      onLost: () => {},
      onResumed: () => {},
      mendableAfterS: () => null,
      subprotocols: () => [],
      openSocket: (/** @type {string} */ url, /** @type {string[]} */ protocols) => new WebSocket(url, protocols),
      patienceS: 120,
      openPatienceS: 10,
      openTimeoutS: 10,
      donePatienceS: 120,
      deadAfterS: 8,
      ...options,
    };
    this.#buffer = options.buffer;
    this.#now = options.now ?? (() => performance.now() / 1000);
  }

  open() {
    this.#connect();
  }

  /** Sends waiting items until the socket's buffer is full. */
  flush() {
    const socket = this.#socket;
    if (this.link !== "open" || !socket) return;
    while (socket.bufferedAmount < SOCKET_BYTES) {
      const item = this.#buffer.next();
      if (!item) return;
      socket.send(encoded(item));
      this.#sentS = this.#now();
    }
    this.#later("flush", FLUSH_S, () => this.flush());
  }

  /** Must be called often; detects a dead connection and keeps a silent one alive. */
  tick() {
    if (this.link !== "open") return;
    const { unreceivedBytes, stopped } = this.#buffer;
    const isBusy = stopped || unreceivedBytes > (this.#buffer.bytesAt(BUSY_MS) || BUSY_BYTES);
    const patienceS = this.#options.deadAfterS * (isBusy ? BUSY_FACTOR : 1);
    const quietS = this.#now() - Math.max(this.#receivedS, this.#readyS ?? 0);
    if ((unreceivedBytes > 0 || stopped) && quietS > patienceS) {
      this.#lost("unreachable", `nothing came for ${patienceS} s`);
    } else if (this.#now() - this.#sentS > KEEPALIVE_S && !stopped) {
      // After `stop`, a keepalive would only keep the server from noticing that its workers are gone.
      this.#socket?.send('{"type":"keepalive"}');
      this.#sentS = this.#now();
    }
  }

  /** Ends the audio; the last words arrive, then `done`. */
  stop() {
    if (this.#buffer.stopped || this.link === "over") return;
    this.#buffer.stop();
    this.flush();
    this.#awaitDone();
  }

  /** Abandons the session. */
  close() {
    // Frees the server's workers at once, instead of after the time in which the session might be resumed.
    if (this.link === "open" && !this.#buffer.stopped) this.#socket?.send('{"type":"stop"}');
    this.#end("closed", "the session was closed by this side");
  }

  /** Reconnects without further waiting, because the network or the user is back. */
  retryNow() {
    if (this.link === "lost" && this.#timers.has("retry")) {
      this.#cancel("retry");
      this.#connect();
    }
  }

  #connect() {
    const { url, query, subprotocols, openSocket, openTimeoutS } = this.#options;
    const isContainer = this.#buffer.audio.frameBytes === null;
    const startMs = this.#buffer.canRebuild ? (isContainer ? 0 : this.#progress.committedMs) : null;
    const [address, offers] = handshake(url, query, this.#token, this.#progress, startMs);
    /** @type {WebSocket} */
    let socket;
    try {
      socket = openSocket(address, [...offers, ...subprotocols()]);
    } catch (error) {
      // Such as an address that a page may not open; another attempt would fail, too.
      return this.#end("refused", error instanceof Error ? error.message : String(error), null, error);
    }
    let trouble = "";
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#readyS = null;
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    };
    // Some classes say why here, throw if nobody listens, or do not tell that an attempt has failed in any other way.
    socket.onerror = (event) => {
      trouble = /** @type {{message?: string}} */ (event).message ?? "";
      if (socket === this.#socket && this.#readyS === null)
        this.#later("open", CLOSE_S, () => this.#lost("unreachable", trouble || "the connection failed"));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      const error = closeError(code, reason);
      if (error.mayRetry || this.#isOwn(error.code)) this.#lost(error.code, (code === 1006 && trouble) || error.message);
      else this.#end(error.code, error.message);
    };
    this.#later("open", openTimeoutS, () => this.#lost("unreachable", `no answer within ${openTimeoutS} s`));
    return undefined;
  }

  /** @param {unknown} data */
  #receive(data) {
    const event = parsed(data);
    const isFirst = this.#readyS === null;
    if (!event || (isFirst && event.type !== "error" && !(event.type === "ready" && event.resume_token)))
      return this.#end("refused", "the server does not speak this protocol");
    this.#receivedS = this.#now();
    if (event.type === "error") {
      const after = event.retry_after_s;
      const mendable = !event.retryable && this.#wasOpen ? this.#options.mendableAfterS(event) : null;
      if (mendable !== null) return this.#lost(event.code, event.message, mendable);
      const fail = event.retryable || this.#isOwn(event.code) ? this.#lost : this.#end;
      return fail.call(this, event.code, event.message, Number.isFinite(after) && after >= 0 ? after : null);
    }
    if (event.type === "ready") return this.#begin(event);
    const news = this.#progress.record(event);
    if (event.type === "ack") this.#buffer.received(event.received_seq);
    this.#buffer.trim(this.#progress.committedMs);
    if (event.type === "ack") this.#options.onChange();
    if (news) this.#options.onEvent(news);
    if (event.type === "done") this.#end(this.#buffer.stopped ? "done" : "ended", "");
    else if (this.#buffer.stopped) this.#awaitDone();
    return undefined;
  }

  /** Aligns the audio with the chunks that the server has. @param {AnyEvent} ready */
  #begin(ready) {
    this.#cancel("open");
    this.#token = ready.resume_token;
    this.config = ready.config ?? {};
    this.#readyS = this.#sentS = this.#now();
    const isResumed = this.#wasOpen;
    if (isResumed) {
      this.reconnects += 1;
      if (isRebuilt(ready, this.#progress.committedMs) && this.#buffer.canRebuild) {
        this.#buffer.rebuild(this.#progress.committedMs);
        this.#options.onEvent(ready);
      } else {
        this.#buffer.resume(ready.resume_from_seq ?? 0);
      }
    }
    this.#wasOpen = true;
    this.#setLink("open");
    this.flush();
    if (isResumed) this.#options.onResumed();
  }

  /** @param {string} code @param {string} message @param {number | null} [retryAfterS] */
  #lost(code, message, retryAfterS = null) {
    const { patienceS, onLost } = this.#options;
    const readyS = this.#readyS;
    if (readyS === null && code === "unreachable") this.#unanswered += 1;
    this.#readyS = null;
    this.#cancel("open");
    this.#leave(LOST);
    const limitS = this.#wasOpen ? patienceS : this.#firstPatienceS(code);
    const waitS = this.#backoff.lost(this.#now(), readyS, limitS, retryAfterS);
    if (waitS === null) return this.#end(code, message, retryAfterS);
    this.#setLink(this.#wasOpen ? "lost" : "connecting");
    if (!this.#wasOpen && this.refusedBy !== code) {
      this.refusedBy = code;
      this.#options.onChange();
    }
    if (readyS !== null) onLost(message);
    return this.#later("retry", waitS, () => this.#connect());
  }

  /** Whether what has taken the session is an attempt that this side has given up, carried out late.
   * @param {string} code */
  #isOwn(code) {
    if (code !== "superseded" || this.#unanswered === 0) return false;
    this.#unanswered -= 1;
    return true;
  }

  /** @param {string} code */
  #firstPatienceS(code) {
    const { openPatienceS, fullPatienceS = openPatienceS } = this.#options;
    return code === "at_capacity" ? fullPatienceS : openPatienceS;
  }

  #awaitDone() {
    const { donePatienceS } = this.#options;
    const late = () => this.#end("no_answer", `the last words did not come within ${donePatienceS} s`);
    this.#later("done", donePatienceS, late);
  }

  /** @param {string} code @param {string} message @param {number | null} [retryAfterS] @param {unknown} [cause] */
  #end(code, message, retryAfterS = null, cause) {
    if (this.link === "over") return;
    for (const name of [...this.#timers.keys()]) this.#cancel(name);
    this.#leave(1000);
    this.#setLink("over");
    this.#options.onOver({ code, message, retryAfterS, cause });
  }

  /** Closes the socket without waiting: a dead peer never answers the closing handshake. @param {number} closeCode */
  #leave(closeCode) {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close(closeCode);
  }

  /** @param {Connector["link"]} link */
  #setLink(link) {
    this.link = link;
    this.#options.onChange();
  }

  /** @param {string} name @param {number} seconds @param {() => void} action */
  #later(name, seconds, action) {
    this.#cancel(name);
    const run = () => {
      this.#timers.delete(name);
      action();
    };
    this.#timers.set(name, setTimeout(run, seconds * 1000));
  }

  /** @param {string} name */
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/** The event in a message; null if there is none. @param {unknown} data @returns {AnyEvent | null} */
function parsed(data) {
  try {
    const event = JSON.parse(String(data));
    return typeof event?.type === "string" ? event : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
