// Progress through a session's events, across its connections: which are new, and how far they commit the audio. Same
// rules as stt_client/progress.py; tests/data/session_progress.json tests both. Pure.
import { joinTexts } from "./text.js";

/** @typedef {{type: string, event?: number, [field: string]: any}} AnyEvent An event of docs/protocol.md, as received. */

export class SessionProgress {
  /** Number of the newest event; a server that receives it repeats the events after it. */
  lastEvent = 0;
  /** Number of the newest final. */
  finals = 0;
  /** Position in milliseconds before which the audio is committed. */
  committedMs = 0;
  /** Number of the last final of the audio before `committedMs`. A server that begins there sends newer ones again. */
  committedFinals = 0;
  /** @type {{utterance: number, startMs: number}[]} finals after `committedMs` */
  #uncommitted = [];
  /** @type {string[]} */
  #texts = [];

  /** Records an event; returns it as the user should see it, null if it is not new or not meant for the user.
   * @param {AnyEvent} event @returns {AnyEvent | null} */
  record(event) {
    // The numbers of these two are not comparable: `ready` comes before repeated events, and an `error` may be created
    // outside the session's sequence.
    if (event.type === "ready" || event.type === "error") return null;
    const number = event.event ?? 0;
    const isRepeated = number <= this.lastEvent;
    this.lastEvent = Math.max(this.lastEvent, number);
    switch (event.type) {
      case "ack":
        this.#commit(event.committed_ms);
        return null;
      case "final":
        return this.#final(event, isRepeated);
      case "done":
        // The server knows only the finals since its last data loss.
        return this.#numbered({ ...event, text: joinTexts(this.#texts), finals: this.finals }, isRepeated);
      case "partial":
        return isRepeated || event.utterance <= this.finals ? null : event;
      default:
        return isRepeated ? null : event;
    }
  }

  /** @param {AnyEvent} event @param {boolean} isRepeated */
  #final(event, isRepeated) {
    if (event.utterance <= this.finals) return null;
    this.finals = event.utterance;
    this.#uncommitted.push({ utterance: event.utterance, startMs: event.start_ms ?? 0 });
    this.#texts.push(event.text ?? "");
    if (event.committed_ms !== undefined) this.#commit(event.committed_ms);
    return this.#numbered(event, isRepeated);
  }

  /** @param {number} committedMs */
  #commit(committedMs) {
    // An `ack` comes after all finals of the audio that it commits, but perhaps also after a newer one.
    this.committedMs = Math.max(this.committedMs, committedMs);
    let settled = 0;
    for (const { utterance, startMs } of this.#uncommitted) {
      if (startMs >= this.committedMs) break;
      this.committedFinals = utterance;
      settled += 1;
    }
    this.#uncommitted.splice(0, settled);
  }

  /** The event, renumbered if a server that lost its count gave it a number that was used before.
   * @param {AnyEvent} event @param {boolean} isRepeated */
  #numbered(event, isRepeated) {
    if (!isRepeated) return event;
    this.lastEvent += 1;
    return { ...event, event: this.lastEvent };
  }
}
