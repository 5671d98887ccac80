// Events of a session received so far: which are new, and up to which position the audio is committed. Pure.

export class Heard {
  lastEvent = 0;
  finals = 0;
  committedMs = 0;
  /** Number of finals before `committedMs`. A server that restarts there sends later ones again. */
  settledFinals = 0;

  /** Returns the event if it should be shown, else null. */
  take(event) {
    // The event numbers of these two are meaningless: `ready` precedes repeated events, `error` may be out of sequence.
    if (event.type === "ready" || event.type === "error") return null;
    const repeated = event.event <= this.lastEvent;
    this.lastEvent = Math.max(this.lastEvent, event.event ?? 0);
    switch (event.type) {
      case "ack":
        this.#settle(event.committed_ms);
        return null;
      case "final":
        if (event.utterance <= this.finals) return null;
        this.finals = event.utterance;
        if (event.committed_ms !== undefined) this.#settle(event.committed_ms);
        return event;
      case "partial":
        return event.utterance <= this.finals ? null : event;
      case "done":
        return event;
      default:
        return repeated ? null : event;
    }
  }

  #settle(committedMs) {
    if (committedMs >= this.committedMs) {
      this.committedMs = committedMs;
      this.settledFinals = this.finals;
    }
  }
}
