// Buffer of what was sent and may be requested again, and of what waits to be sent: audio in numbered chunks, and
// control messages at their positions in it. Same rules as stt_client/replay.py. Pure: no socket, no clock.
//
// Positions are byte offsets from the start of the session. They never change; chunk numbers do when the session is
// rebuilt.

/** @typedef {{sampleRate: number, frameBytes: number | null}} AudioFormat `frameBytes`: bytes of one sample of all
 * channels; null for a container, whose bytes do not map to times. */
/** @typedef {{kind: "chunk", seq: number, start: number, end: number, data: Uint8Array}} Chunk */
/** @typedef {{kind: "finalize" | "stop", seq: number, end: number, data?: undefined}} Mark */
/** @typedef {{kind: "configure", seq: number, end: number, fields: object, data?: undefined}} Configure */
/** @typedef {Chunk | Mark | Configure} Item `seq`: of the chunk, or of the one before a control message; `end`: its
 * position. */

/** @type {Record<string, number>} Bytes per sample of the encodings of bare samples; every other is a container. */
export const SAMPLE_BYTES = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 };
const MAX_CHUNK_BYTES = 16 * 1024;
// Longer input is cut, because a chunk that the server has in part is sent again as a whole.
const MAX_CHUNK_MS = 500;

/** The format for the parameters of the live path.
 * @param {string} encoding @param {number} [sampleRate] @param {number} [channels] @returns {AudioFormat} */
export function audioFormat(encoding, sampleRate = 0, channels = 1) {
  const bytes = SAMPLE_BYTES[encoding];
  return { sampleRate, frameBytes: bytes === undefined ? null : bytes * channels };
}

export class ReplayBuffer {
  /** @type {Item[]} */
  #sent = [];
  /** @type {Item[]} */
  #unsent = [];
  #cutSample = new Uint8Array(0);
  #seq = 0;
  #end = 0;
  #receivedSeq = 0;
  #whole = true;
  #configured = {}; // by messages that were dropped
  #maxBytes;
  /** Bytes of audio in memory, sent or not. */
  keptBytes = 0;
  /** Whether `stop` was added, after which nothing may follow. */
  stopped = false;

  /** Keeps bare samples until they are committed, at most `maxS` seconds. Keeps a container as a whole up to `maxBytes`,
   * and beyond that only the chunks that the server does not have.
   * @param {AudioFormat} audio @param {{maxS?: number, maxBytes?: number}} [limits] */
  constructor(audio, { maxS = 120, maxBytes = 16 * 1024 * 1024 } = {}) {
    this.audio = audio;
    this.#maxBytes = audio.frameBytes === null ? maxBytes : this.bytesAt(maxS * 1000);
  }

  /** Whether the buffer has all that a server needs after losing the session. */
  get canRebuild() {
    return this.audio.frameBytes !== null || this.#whole;
  }

  /** Bytes of chunks that the server has not acknowledged. */
  get unreceivedBytes() {
    let bytes = 0;
    for (let i = this.#sent.length - 1; i >= 0 && this.#sent[i].seq > this.#receivedSeq; i -= 1)
      bytes += this.#sent[i].data?.length ?? 0;
    for (const item of this.#unsent) bytes += item.data?.length ?? 0;
    return bytes;
  }

  /** Length of all audio so far, in milliseconds; 0 for a container. */
  get endMs() {
    return this.#ms(this.#end);
  }

  /** Bytes of the longest chunk, a whole number of samples. */
  get maxChunkBytes() {
    const { frameBytes } = this.audio;
    if (frameBytes === null) return MAX_CHUNK_BYTES;
    const longest = Math.min(MAX_CHUNK_BYTES, this.bytesAt(MAX_CHUNK_MS));
    return Math.max(longest - (longest % frameBytes), frameBytes);
  }

  /** Position in bytes of a millisecond of the session's audio; 0 for a container. @param {number} ms */
  bytesAt(ms) {
    return Math.floor((ms * this.audio.sampleRate) / 1000) * (this.audio.frameBytes ?? 0);
  }

  /** Whether another chunk fits. If a container recording has grown too long, drops chunks that the server has. */
  hasRoom() {
    if (this.audio.frameBytes === null) {
      while (this.keptBytes >= this.#maxBytes && this.#sent.length && this.#sent[0].seq <= this.#receivedSeq) {
        this.#dropFirst();
        this.#whole = false;
      }
    }
    return this.keptBytes < this.#maxBytes;
  }

  /** Appends audio, at most `maxChunkBytes`. An incomplete sample waits for the rest of its bytes. @param {Uint8Array} data */
  push(data) {
    const all = this.#cutSample.length ? joined(this.#cutSample, data) : data;
    const whole = all.length - (all.length % (this.audio.frameBytes ?? 1));
    this.#cutSample = all.slice(whole);
    this.#add(all.subarray(0, whole));
  }

  /** Ends the utterance here; repeating it at the same position has no effect. */
  finalize() {
    const last = this.#unsent.at(-1) ?? this.#sent.at(-1);
    if (last?.kind !== "finalize") this.#unsent.push({ kind: "finalize", seq: this.#seq, end: this.#end });
  }

  /** Changes keyterms or replacements here. @param {object} fields of the message `configure` */
  configure(fields) {
    this.#unsent.push({ kind: "configure", seq: this.#seq, end: this.#end, fields });
  }

  /** Ends the audio. */
  stop() {
    this.#add(this.#cutSample);
    this.#cutSample = new Uint8Array(0);
    this.#unsent.push({ kind: "stop", seq: this.#seq, end: this.#end });
    this.stopped = true;
  }

  /** Takes the next item to send; undefined if nothing waits. */
  next() {
    const item = this.#unsent.shift();
    if (item) this.#sent.push(item);
    return item;
  }

  /** Records that the server has all chunks up to this one. They are kept, since it may lose them again. @param {number} seq */
  received(seq) {
    this.#receivedSeq = Math.max(this.#receivedSeq, seq);
  }

  /** Drops audio before this position, which is never requested again. @param {number} committedMs */
  trim(committedMs) {
    if (this.audio.frameBytes === null) return;
    const position = this.bytesAt(committedMs);
    while (this.#sent.length && this.#sent[0].end <= position && this.#sent[0].kind !== "stop") this.#dropFirst();
  }

  /** Audio that the server never received, for another session: {startMs, parts}. Bare samples only. */
  unreceived() {
    const items = [...this.#sent, ...this.#unsent].filter((item) => item.kind === "chunk");
    const missing = items.filter((item) => item.seq > this.#receivedSeq);
    return { startMs: missing.length ? this.#ms(missing[0].start) : this.endMs, parts: missing.map(({ data }) => data) };
  }

  /** Prepares a new connection of the same session: everything after chunk `seq` is sent again with its old number. So
   * is a control message directly after that chunk: it is unknown whether it arrived, and a duplicate is harmless.
   * @param {number} seq */
  resume(seq) {
    /** @param {Item | undefined} item */
    const isAfter = (item) => item !== undefined && (item.kind === "chunk" ? item.seq > seq : item.seq >= seq);
    while (isAfter(this.#sent.at(-1))) this.#unsent.unshift(/** @type {Item} */ (this.#sent.pop()));
    while (this.#unsent.length && !isAfter(this.#unsent[0])) this.#sent.push(/** @type {Item} */ (this.#unsent.shift()));
    this.#receivedSeq = seq;
  }

  /** Prepares to send again to a server that lost the session, from `committedMs` (a container: from the start of the
   * recording). Chunks are numbered from 1 again. @param {number} committedMs */
  rebuild(committedMs) {
    const position = this.bytesAt(committedMs);
    const keepAll = this.audio.frameBytes === null;
    const items = [...this.#sent, ...this.#unsent];
    this.#sent = [];
    this.#unsent = [];
    this.#seq = this.keptBytes = this.#receivedSeq = 0;
    // The server knows the configuration of the query alone.
    for (const item of items)
      if (item.kind === "configure" && !keepAll && item.end <= position) Object.assign(this.#configured, item.fields);
    if (Object.keys(this.#configured).length)
      this.#unsent.push({ kind: "configure", seq: 0, end: position, fields: { ...this.#configured } });
    for (const item of items)
      if (keepAll || item.kind === "stop" || item.end > position) this.#renumber(item, keepAll ? 0 : position);
  }

  /** @param {Item} item @param {number} from */
  #renumber(item, from) {
    if (item.kind !== "chunk") {
      this.#unsent.push({ ...item, seq: this.#seq });
      return;
    }
    const cut = Math.max(0, from - item.start);
    const data = item.data.subarray(cut);
    this.#seq += 1;
    this.keptBytes += data.length;
    this.#unsent.push({ ...item, seq: this.#seq, start: item.start + cut, data });
  }

  /** @param {Uint8Array} data */
  #add(data) {
    if (!data.length) return;
    this.#seq += 1;
    const start = this.#end;
    this.#end += data.length;
    this.keptBytes += data.length;
    this.#unsent.push({ kind: "chunk", seq: this.#seq, start, end: this.#end, data });
  }

  #dropFirst() {
    const item = this.#sent.shift();
    if (item?.kind === "chunk") this.keptBytes -= item.data.length;
    else if (item?.kind === "configure") Object.assign(this.#configured, item.fields);
  }

  /** @param {number} bytes */
  #ms(bytes) {
    return this.audio.frameBytes ? (bytes / this.audio.frameBytes / this.audio.sampleRate) * 1000 : 0;
  }
}

/** Encodes an item as a message with framing=seq32. @param {Item} item @returns {string | Uint8Array<ArrayBuffer>} */
export function encoded(item) {
  if (item.kind === "configure") return JSON.stringify({ type: "configure", ...item.fields });
  if (item.kind !== "chunk") return JSON.stringify({ type: item.kind });
  const message = new Uint8Array(4 + item.data.length);
  new DataView(message.buffer).setUint32(0, item.seq);
  message.set(item.data, 4);
  return message;
}

/** @param {Uint8Array} first @param {Uint8Array} second */
function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
