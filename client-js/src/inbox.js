// Events queued for a program that may read slowly: a newer partial replaces an older one, nothing else is dropped. Same
// rules as stt_client/inbox.py. Pure.

/** @typedef {import("./resume/progress.js").AnyEvent} AnyEvent */

// Above this no more audio is sent, so that the queue ends. It is enough for hours of finals, because a program may send
// all of its audio before it reads.
const MAX_WAITING = 10_000;

export class Inbox {
  /** @type {Map<number, AnyEvent>} */
  #waiting = new Map();
  /** @type {Map<string, number>} */
  #partials = new Map();
  #count = 0;

  /** Whether events must be taken before more audio is sent. */
  get isFull() {
    return this.#waiting.size >= MAX_WAITING;
  }

  /** Adds an event; a newer partial or the final of an utterance removes its queued partial. Where channels are kept
   * apart, those of a channel do: the number of its utterance may have changed. @param {AnyEvent} event */
  put(event) {
    this.#count += 1;
    if (event.type === "partial" || event.type === "final") {
      const older = this.#partials.get(saidBy(event));
      if (older !== undefined) this.#waiting.delete(older);
      if (event.type === "partial") this.#partials.set(saidBy(event), this.#count);
      else this.#partials.delete(saidBy(event));
    }
    this.#waiting.set(this.#count, event);
  }

  /** Removes and returns the next event; undefined when there is none. */
  take() {
    for (const [number, event] of this.#waiting) {
      this.#waiting.delete(number);
      if (event.type === "partial") this.#partials.delete(saidBy(event));
      return event;
    }
    return undefined;
  }
}

/** @param {AnyEvent} event */
const saidBy = ({ channel, utterance }) => ((channel ?? null) === null ? `utterance ${utterance}` : `channel ${channel}`);
