// Live session for programs: audio in, events out, across any number of connections.
import { Inbox } from "./inbox.js";
import { liveUrl, newId } from "./resume/address.js";
import { Connector } from "./resume/connector.js";
import { SessionError } from "./resume/errors.js";
import { audioFormat, ReplayBuffer } from "./resume/replay.js";

/** @typedef {import("./resume/progress.js").AnyEvent} AnyEvent */
/** @typedef {ArrayBuffer | ArrayBufferView | Blob} Audio */
/** @typedef {import("./index.d.ts").ConnectOptions} ConnectOptions */

// Audio is committed one utterance at a time, so with room for less than the longest utterance `send` would wait forever.
const LEAST_BUFFER_S = 60;
const TICK_S = 0.25;

/** Opens a session on the suite at `url`; index.d.ts describes the options.
 * @param {string} url @param {ConnectOptions} [options] @returns {Promise<LiveSession>} */
export async function connect(url, options = {}) {
  const session = new LiveSession(url, options);
  await session.opened();
  return session;
}

export class LiveSession {
  /** @type {string} */
  sessionId;
  #connector;
  #buffer;
  #inbox = new Inbox();
  /** @type {{error: SessionError | null} | null} */
  #over = null;
  /** @type {(() => void)[]} */
  #waiting = [];
  /** @type {Promise<unknown>} what was called before: audio and control messages keep their order */
  #before = Promise.resolve();
  #ticking;

  /** @param {string} url @param {ConnectOptions} options */
  constructor(url, options) {
    const {
      sampleRate = 16_000,
      encoding = "pcm_s16le",
      channels = 1,
      language,
      languages = [],
      sessionId = newId(),
      parameters = {},
      bufferS = 120,
      bufferBytes,
      patienceS = 120,
      openPatienceS,
      openTimeoutS,
      deadAfterS = 8,
      apiKey,
      openSocket = builtIn(),
      onLost,
      onResumed,
      ...unknown
    } = options;
    const [name] = Object.keys(unknown);
    if (name) throw new TypeError(`${name} is no option of connect`);
    if (!(bufferS >= LEAST_BUFFER_S))
      throw new RangeError(`bufferS=${bufferS} is not allowed; it must be at least ${LEAST_BUFFER_S}`);
    this.sessionId = sessionId;
    this.#buffer = new ReplayBuffer(audioFormat(encoding, sampleRate, channels), { maxS: bufferS, maxBytes: bufferBytes });
    this.#connector = new Connector({
      url: liveUrl(url),
      query: {
        ...parameters,
        sample_rate: sampleRate,
        encoding,
        channels,
        ...(language ? { language } : {}),
        ...(languages.length ? { languages: languages.join(",") } : {}),
        session_id: sessionId,
        framing: "seq32",
      },
      buffer: this.#buffer,
      onEvent: (event) => this.#receive(event),
      onOver: ({ code, message, retryAfterS, cause }) => {
        const isGood = code === "done" || code === "ended";
        this.#end(isGood ? null : new SessionError(code === "closed" ? "over" : code, message, retryAfterS, { cause }));
      },
      onChange: () => this.#notify(),
      subprotocols: () => (apiKey ? ["bearer", apiKey] : []),
      openSocket,
      patienceS,
      donePatienceS: patienceS,
      deadAfterS,
      ...given({ openPatienceS, openTimeoutS, onLost, onResumed }),
    });
    this.#ticking = setInterval(() => this.#connector.tick(), Math.min(TICK_S, deadAfterS / 8) * 1000);
    this.#connector.open();
  }

  /** Configuration of this session, as sent by the server. */
  get config() {
    return this.#connector.config;
  }

  /** Number of connections after the first. */
  get reconnects() {
    return this.#connector.reconnects;
  }

  /** Waits for the first connection. */
  async opened() {
    while (this.#connector.link === "connecting") await this.#change();
    if (this.#over?.error) throw this.#over.error;
  }

  /** Sends audio of any length. @param {Audio} audio */
  send(audio) {
    const copied = copyOf(audio);
    return this.#inOrder(async () => {
      const bytes = await copied;
      const size = this.#buffer.maxChunkBytes;
      for (let start = 0; start < bytes.length; start += size) {
        this.#checkOpen();
        while (!this.#buffer.hasRoom() || this.#inbox.isFull) {
          await this.#change();
          this.#checkOpen();
        }
        this.#buffer.push(bytes.subarray(start, start + size));
        this.#connector.flush();
      }
    });
  }

  /** Ends the utterance here. */
  finalize() {
    return this.#inOrder(async () => {
      this.#checkOpen();
      this.#buffer.finalize();
      this.#connector.flush();
    });
  }

  /** Changes keyterms or replacements from here on.
   * @param {{keyterms?: string[], replacements?: Record<string, string>}} changes */
  configure({ keyterms, replacements }) {
    return this.#inOrder(async () => {
      this.#checkOpen();
      this.#buffer.configure(given({ keyterms, replacements }));
      this.#connector.flush();
    });
  }

  /** Ends the audio. */
  stop() {
    return this.#inOrder(async () => this.#connector.stop());
  }

  /** Abandons the session if it is not over. */
  close() {
    this.#connector.close();
  }

  /** @returns {AsyncIterator<any>} */
  [Symbol.asyncIterator]() {
    return { next: () => this.#next() };
  }

  /** @returns {Promise<IteratorResult<AnyEvent>>} */
  async #next() {
    for (;;) {
      const event = this.#inbox.take();
      if (event) {
        this.#notify();
        return { value: event, done: false };
      }
      if (this.#over?.error) throw this.#over.error;
      if (this.#over) return { value: undefined, done: true };
      await this.#change();
    }
  }

  /** @param {AnyEvent} event */
  #receive(event) {
    if (event.type !== "ready") this.#inbox.put(event);
    this.#notify();
  }

  /** @param {SessionError | null} error */
  #end(error) {
    clearInterval(this.#ticking);
    this.#over = { error };
    this.#notify();
  }

  #checkOpen() {
    if (this.#over?.error) throw this.#over.error;
    if (this.#over || this.#buffer.stopped)
      throw new SessionError("over", "the session takes no more audio: it was stopped");
  }

  /** @template T @param {() => Promise<T>} action @returns {Promise<T>} */
  #inOrder(action) {
    const result = this.#before.then(action);
    // Its caller gets the error; the next call only waits.
    this.#before = result.catch(() => {});
    return result;
  }

  #notify() {
    // All who wait check for themselves what has changed.
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** @returns {Promise<void>} */
  #change() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Bytes of audio, copied at once, since the caller may use its buffer again. @param {Audio} audio */
function copyOf(audio) {
  if (audio instanceof ArrayBuffer) return new Uint8Array(audio.slice(0));
  if (ArrayBuffer.isView(audio)) return new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength).slice();
  if (audio instanceof Blob) return audio.arrayBuffer().then((buffer) => new Uint8Array(buffer));
  throw new TypeError("send takes an ArrayBuffer, a typed array or a Blob");
}

/** Without what is undefined. @template {object} T @param {T} fields @returns {Partial<T>} */
function given(fields) {
  return /** @type {Partial<T>} */ (Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}

function builtIn() {
  if (typeof WebSocket === "undefined")
    throw new TypeError(
      "there is no WebSocket here: start Node 20 with --experimental-websocket, or pass openSocket, such as " +
        "(url, protocols) => new WebSocket(url, protocols) with the package ws",
    );
  return (/** @type {string} */ url, /** @type {string[]} */ protocols) => new WebSocket(url, protocols);
}
