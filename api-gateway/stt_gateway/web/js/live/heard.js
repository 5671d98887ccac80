// What the page has of a session: which events are news, and how far they settle the audio. Pure.

export class Heard {
  lastEvent = 0;
  finals = 0;
  committedMs = 0;
  /** Finals of the audio before `committedMs`. Newer ones come again from a server that begins there. */
  settledFinals = 0;

  /** The event if it is to be shown, else null. */
  take(event) {
    // The numbers of these two say nothing: `ready` comes before events that are repeated, `error` may stand outside.
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
