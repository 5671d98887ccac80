// What was sent and may be asked for again, and what waits to be sent: audio in numbered chunks, and the control
// messages at their places among it. Pure: no socket, no clock.
//
// Positions are bytes from the session's first. They never change; chunk numbers do, when the session is built anew.

export const MAX_PCM_S = 600; // 19 MB: what is said during a long outage
export const MAX_CONTAINER_BYTES = 24 * 1024 * 1024;

/** Bare s16le samples, one channel. */
export const pcm = (sampleRate) => ({ sampleRate, frameBytes: 2 });
/** A recorder's container: its bytes have no time of their own. */
export const container = () => ({ sampleRate: 0, frameBytes: null });

export class ReplayBuffer {
  #sent = [];
  #unsent = [];
  #seq = 0;
  #end = 0;
  #receivedSeq = 0;
  #whole = true;
  keptBytes = 0;
  stopped = false;

  constructor(audio, { maxPcmS = MAX_PCM_S, maxContainerBytes = MAX_CONTAINER_BYTES } = {}) {
    this.audio = audio;
    this.maxBytes = audio.frameBytes ? maxPcmS * audio.sampleRate * audio.frameBytes : maxContainerBytes;
  }

  /** Everything is here that a server needs which has lost the session. */
  get canRebuild() {
    return this.audio.frameBytes !== null || this.#whole;
  }

  /** Chunks that the server has not told to hold. */
  get unheldBytes() {
    let bytes = 0;
    for (const item of this.#sent) if (item.seq > this.#receivedSeq && item.data) bytes += item.data.length;
    for (const item of this.#unsent) if (item.data) bytes += item.data.length;
    return bytes;
  }

  /** Length of all audio so far, in milliseconds; 0 for a container. */
  get endMs() {
    return this.#ms(this.#end);
  }

  bytesAt(ms) {
    return this.audio.frameBytes ? Math.floor((ms * this.audio.sampleRate) / 1000) * this.audio.frameBytes : 0;
  }

  /** Another chunk may be put in. Of a recording that has grown too long, this drops what the server has. */
  hasRoom() {
    if (this.keptBytes < this.maxBytes) return true;
    if (this.audio.frameBytes === null) {
      while (this.keptBytes >= this.maxBytes && this.#sent.length && this.#sent[0].seq <= this.#receivedSeq) {
        this.#dropFirst();
        this.#whole = false;
      }
    }
    return this.keptBytes < this.maxBytes;
  }

  /** Puts whole samples in. */
  push(data) {
    this.#seq += 1;
    this.#unsent.push({ kind: "chunk", seq: this.#seq, start: this.#end, end: this.#end + data.length, data });
    this.#end += data.length;
    this.keptBytes += data.length;
  }

  /** Ends the utterance here. Twice at one place is once. */
  finalize() {
    const last = this.#unsent.at(-1) ?? this.#sent.at(-1);
    if (last?.kind !== "finalize")
      this.#unsent.push({ kind: "finalize", seq: this.#seq, start: this.#end, end: this.#end });
  }

  /** Ends the audio. */
  stop() {
    this.#unsent.push({ kind: "stop", seq: this.#seq, start: this.#end, end: this.#end });
    this.stopped = true;
  }

  /** What is to be sent now, once; undefined when nothing waits. */
  next() {
    const item = this.#unsent.shift();
    if (item) this.#sent.push(item);
    return item;
  }

  /** The server holds all chunks up to this one. They stay: it may lose them again. */
  received(seq) {
    this.#receivedSeq = Math.max(this.#receivedSeq, seq);
  }

  /** Audio before this is never asked for again. */
  settle(committedMs) {
    if (this.audio.frameBytes === null) return;
    const position = this.bytesAt(committedMs);
    while (this.#sent.length && this.#sent[0].end <= position && this.#sent[0].kind !== "stop") this.#dropFirst();
  }

  /** Audio that the server never got, for another session: {startMs, parts}. Bare samples only. */
  unheld() {
    const items = [...this.#sent, ...this.#unsent].filter((item) => item.data && item.seq > this.#receivedSeq);
    return { startMs: items.length ? this.#ms(items[0].start) : this.endMs, parts: items.map((item) => item.data) };
  }

  /** Another connection of the same session: everything behind chunk `seq` is to be sent again, under its old number.
   * So is a control message directly behind that chunk: nobody knows if it arrived, and twice is harmless. */
  resume(seq) {
    const isBehind = (item) => (item.kind === "chunk" ? item.seq > seq : item.seq >= seq);
    while (this.#sent.length && isBehind(this.#sent.at(-1))) this.#unsent.unshift(this.#sent.pop());
    while (this.#unsent.length && !isBehind(this.#unsent[0])) this.#sent.push(this.#unsent.shift());
    this.#receivedSeq = seq;
  }

  /** The server lost the session, and begins anew with the audio from `committedMs` on (a container: with the whole
   * recording). Chunks are numbered from 1 again. */
  rebuild(committedMs) {
    const position = this.bytesAt(committedMs);
    const keepAll = this.audio.frameBytes === null;
    const items = [...this.#sent, ...this.#unsent];
    this.#sent = [];
    this.#unsent = [];
    this.#seq = this.keptBytes = this.#receivedSeq = 0;
    for (const item of items) {
      if (!keepAll && item.kind !== "stop" && item.end <= position) continue;
      if (item.kind !== "chunk") {
        this.#unsent.push({ ...item, seq: this.#seq });
        continue;
      }
      const cut = keepAll ? 0 : Math.max(0, position - item.start);
      const data = cut ? item.data.subarray(cut) : item.data;
      this.#seq += 1;
      this.keptBytes += data.length;
      this.#unsent.push({ ...item, seq: this.#seq, start: item.start + cut, data });
    }
  }

  #dropFirst() {
    const item = this.#sent.shift();
    if (item.data) this.keptBytes -= item.data.length;
  }
  #ms(bytes) {
    return this.audio.frameBytes ? (bytes / this.audio.frameBytes / this.audio.sampleRate) * 1000 : 0;
  }
}

/** An item as a message under framing=seq32. */
export function encoded(item) {
  if (item.kind !== "chunk") return JSON.stringify({ type: item.kind });
  const message = new Uint8Array(4 + item.data.length);
  new DataView(message.buffer).setUint32(0, item.seq);
  message.set(item.data, 4);
  return message;
}
