// Progress through a session's events, across its connections: which are new, and how far they commit the audio. Same
// rules as stt_client/progress.py; tests/data/session_progress.json tests both. Pure.

export class SessionProgress {
  /** Number of the newest event; a server that receives it repeats the events after it. */
  lastEvent = 0;
  /** Number of the newest final. */
  finals = 0;
  /** Position before which the audio is committed. */
  committedMs = 0;
  /** Number of the last final of the audio before `committedMs`. A server that begins there sends newer ones again. */
  committedFinals = 0;
  #uncommitted = []; // {utterance, startMs} of the finals after `committedMs`

  /** Records an event; returns it as the page should see it, null if it is not new or not meant for the page. */
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
        return this.#numbered(event, isRepeated);
      case "partial":
        return isRepeated || event.utterance <= this.finals ? null : event;
      default:
        return isRepeated ? null : event;
    }
  }

  #final(event, isRepeated) {
    if (event.utterance <= this.finals) return null;
    this.finals = event.utterance;
    this.#uncommitted.push({ utterance: event.utterance, startMs: event.start_ms });
    if (event.committed_ms !== undefined) this.#commit(event.committed_ms);
    return this.#numbered(event, isRepeated);
  }

  #commit(committedMs) {
    // An `ack` comes after all finals of the audio that it commits, but perhaps also after a newer one.
    this.committedMs = Math.max(this.committedMs, committedMs);
    while (this.#uncommitted[0]?.startMs < this.committedMs) this.committedFinals = this.#uncommitted.shift().utterance;
  }

  /** The event, renumbered if a server that lost its count gave it a number that was used before. */
  #numbered(event, isRepeated) {
    if (!isRepeated) return event;
    this.lastEvent += 1;
    return { ...event, event: this.lastEvent };
  }
}
