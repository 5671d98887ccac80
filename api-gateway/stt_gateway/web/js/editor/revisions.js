// The revisions of a transcript that one reader has made, to go back and forth between them. Pure except for the
// requests passed in.

/** Fires "change" when `transcript` or what can be undone has changed. */
export class Revisions extends EventTarget {
  #trail; // revisions in the order in which they were made
  #at = 0;
  #last = Promise.resolve();

  /** `transcript`: {id, revision, segments, speakers, text}, which is kept up to date. `save(edit)` returns {revision};
   * `load()` returns the transcript; `onConflict()` returns whether the edit is to be made all the same. */
  constructor(transcript, { save, load, onConflict }) {
    super();
    Object.assign(this, { transcript, save, load, onConflict });
    this.#trail = [transcript.revision];
  }

  get canUndo() {
    return this.#at > 0;
  }
  get canRedo() {
    return this.#at < this.#trail.length - 1;
  }

  /** Makes an edit, after those before it. `texts`: [{segment, text}]. Returns whether it was made; throws RequestError. */
  edit(change) {
    return this.#inTurn(async () => {
      const made = await this.#send(change);
      if (made === null) return false;
      this.#trail = [...this.#trail.slice(0, this.#at + 1), made];
      this.#at += 1;
      return true;
    });
  }

  undo() {
    return this.#inTurn(() => this.#go(-1));
  }

  redo() {
    return this.#inTurn(() => this.#go(1));
  }

  /** Reads the transcript again; what was made before can no longer be undone. */
  refresh() {
    return this.#inTurn(() => this.#reset());
  }

  #inTurn(action) {
    const done = this.#last.then(() => this.#telling(action));
    this.#last = done.catch(() => {});
    return done;
  }

  async #telling(action) {
    const tell = () => this.dispatchEvent(new Event("change"));
    const { revision } = this.transcript;
    try {
      const made = await action();
      tell();
      return made;
    } catch (error) {
      // What is shown stays as it is, with what the reader has written in it.
      if (this.transcript.revision !== revision) tell();
      throw error;
    }
  }

  async #go(step) {
    const target = this.#trail[this.#at + step];
    if (target === undefined) return false;
    const at = this.#at + step;
    if ((await this.#send({ restore: target })) === null) return false;
    this.#at = at;
    return true;
  }

  /** Sends an edit; the revision that it has made, or null if the reader has taken the other changes instead. */
  async #send(change) {
    const before = this.transcript.segments;
    try {
      const { revision } = await this.save({ ...change, revision: this.transcript.revision });
      await this.#read();
      return revision;
    } catch (error) {
      if (error.code !== "conflict") throw error;
    }
    const mine = await this.onConflict();
    await this.#reset();
    // What is restored was made without the others' changes.
    const again = mine && change.restore === undefined ? atNewPlaces(change, before, this.transcript.segments) : null;
    if (!again) return null;
    const { revision } = await this.save({ ...again, revision: this.transcript.revision });
    await this.#read();
    return revision;
  }

  async #reset() {
    await this.#read();
    this.#trail = [this.transcript.revision];
    this.#at = 0;
  }

  async #read() {
    const { revision, text, segments, speakers } = await this.load();
    Object.assign(this.transcript, { revision, text, segments, speakers });
  }
}

/** An edit of segments as they were before, for those at the same times now; null if none of them is left. */
function atNewPlaces(change, before, now) {
  if (!change.texts) return change;
  const isSame = (one, other) => one.start === other.start && (one.channel ?? null) === (other.channel ?? null);
  const texts = change.texts
    .map(({ segment, text }) => ({ segment: now.findIndex((one) => isSame(one, before[segment])), text }))
    .filter(({ segment }) => segment >= 0);
  return texts.length ? { ...change, texts } : null;
}
