// Deletions that can be undone for a while before the server is asked. Pure except for timers and the function passed in.

export const UNDO_MS = 6000;

export class Deletions {
  #timers = new Map(); // id -> timer of a deletion that can be undone
  #confirmed = new Set();

  /** `remove(id)` deletes for good. `onFailed(error)`: it did not work; the transcript is still there. */
  constructor({ remove, onFailed, undoMs = UNDO_MS }) {
    Object.assign(this, { remove, onFailed, undoMs });
  }

  /** Whether this transcript counts as deleted. */
  has(id) {
    return this.#timers.has(id) || this.#confirmed.has(id);
  }

  add(id) {
    const timer = setTimeout(() => this.#confirm(id), this.undoMs);
    this.#timers.set(id, timer);
  }

  undo(id) {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  /** Confirms all deletions now, because the page is being left. */
  finish() {
    for (const id of [...this.#timers.keys()]) this.#confirm(id);
  }

  async #confirm(id) {
    this.undo(id);
    this.#confirmed.add(id);
    try {
      await this.remove(id);
    } catch (error) {
      if (error.code === "not_found") return;
      this.#confirmed.delete(id);
      this.onFailed(error);
    }
  }
}
