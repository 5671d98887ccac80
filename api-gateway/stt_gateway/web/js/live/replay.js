// Buffer of what was sent and may be requested again, and of what waits to be sent: audio in numbered chunks, and
// control messages at their positions in it. Pure: no socket, no clock.
//
// Positions are byte offsets from the start of the session. They never change; chunk numbers do when the session is
// rebuilt.

export const MAX_PCM_S = 600; // 19 MB: the speech of a long outage
export const MAX_CONTAINER_BYTES = 24 * 1024 * 1024;

/** Bare s16le samples. */
export const pcm = (sampleRate, channels = 1) => ({ sampleRate, frameBytes: 2 * channels });
/** A recorder's container: its byte positions do not correspond to times. */
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

  /** Whether the buffer has all that a server needs after losing the session. */
  get canRebuild() {
    return this.audio.frameBytes !== null || this.#whole;
  }

  /** Bytes of chunks that the server has not acknowledged. */
  get unreceivedBytes() {
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

  /** Whether another chunk fits. If a container recording has grown too long, drops chunks that the server has. */
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

  /** Appends a chunk of whole samples. */
  push(data) {
    this.#seq += 1;
    this.#unsent.push({ kind: "chunk", seq: this.#seq, start: this.#end, end: this.#end + data.length, data });
    this.#end += data.length;
    this.keptBytes += data.length;
  }

  /** Ends the utterance here; repeating it at the same position has no effect. */
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

  /** Takes the next item to send; undefined if nothing waits. */
  next() {
    const item = this.#unsent.shift();
    if (item) this.#sent.push(item);
    return item;
  }

  /** Records that the server has all chunks up to this one. They are kept, since it may lose them again. */
  received(seq) {
    this.#receivedSeq = Math.max(this.#receivedSeq, seq);
  }

  /** Drops audio before this position, which is never requested again. */
  trim(committedMs) {
    if (this.audio.frameBytes === null) return;
    const position = this.bytesAt(committedMs);
    while (this.#sent.length && this.#sent[0].end <= position && this.#sent[0].kind !== "stop") this.#dropFirst();
  }

  /** Audio that the server never received, for another session: {startMs, parts}. Bare samples only. */
  unreceived() {
    const items = [...this.#sent, ...this.#unsent].filter((item) => item.data && item.seq > this.#receivedSeq);
    return { startMs: items.length ? this.#ms(items[0].start) : this.endMs, parts: items.map((item) => item.data) };
  }

  /** Prepares a new connection of the same session: everything after chunk `seq` is sent again with its old number. So
   * is a control message directly after that chunk: it is unknown whether it arrived, and a duplicate is harmless. */
  resume(seq) {
    const isBehind = (item) => (item.kind === "chunk" ? item.seq > seq : item.seq >= seq);
    while (this.#sent.length && isBehind(this.#sent.at(-1))) this.#unsent.unshift(this.#sent.pop());
    while (this.#unsent.length && !isBehind(this.#unsent[0])) this.#sent.push(this.#unsent.shift());
    this.#receivedSeq = seq;
  }

  /** Prepares to send again to a server that lost the session, from `committedMs` (a container: from the start of the
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

/** Encodes an item as a message with framing=seq32. */
export function encoded(item) {
  if (item.kind !== "chunk") return JSON.stringify({ type: item.kind });
  const message = new Uint8Array(4 + item.data.length);
  new DataView(message.buffer).setUint32(0, item.seq);
  message.set(item.data, 4);
  return message;
}
