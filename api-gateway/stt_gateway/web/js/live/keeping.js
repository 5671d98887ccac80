// Preserves the Live text across a reload of its tab, and as a draft in this browser while it is saved nowhere else.
const KEY = "live";
const WAIT_MS = 800;

/** Fires "change" when `isUnsaved` changes. */
export class Keeping extends EventTarget {
  /** Whether there is text that is neither in the library nor copied or downloaded. */
  isUnsaved = false;
  #timer = 0;

  /** Restores the text of an earlier page of this tab. `drafts`: Drafts. `tab`: storage that ends with the tab. */
  constructor(recording, drafts, tab = sessionStorage) {
    super();
    Object.assign(this, { recording, drafts, tab });
    const draft = drafts.read();
    const kept = JSON.parse(tab.getItem(KEY) ?? "[]");
    // The text may not have fitted into the tab's own storage.
    const newest = draft.length > kept.length ? draft : kept;
    if (newest.length) this.#show(newest);
    this.isUnsaved = draft.length > 0;
    recording.addEventListener("text", ({ detail }) => {
      if (detail === "final") this.#grown();
    });
    recording.addEventListener("change", () => {
      if (this.#timer && recording.phase === "idle") this.flush();
    });
  }

  /** Writes the current text immediately. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const { utterances } = this.recording.transcript;
    try {
      this.tab.setItem(KEY, JSON.stringify(utterances));
    } catch (error) {
      // The text of many hours may not fit; the page itself still has it.
      if (error.name !== "QuotaExceededError") throw error;
      this.tab.removeItem(KEY);
    }
    if (this.isUnsaved) this.drafts.write(utterances);
    else this.drafts.clear();
  }

  /** Sets whether the text is unsaved, and writes or removes its draft. */
  mark(isUnsaved) {
    const changed = this.isUnsaved !== isUnsaved;
    this.isUnsaved = isUnsaved;
    this.flush();
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** Takes over a draft that another tab left. */
  restore(draft) {
    this.#show(draft.utterances);
    this.drafts.discard(draft);
    this.mark(true);
  }

  #show(utterances) {
    this.recording.transcript.restore(utterances);
    this.recording.offsetMs = utterances.at(-1).endMs;
  }

  #grown() {
    const { transcript, isStored } = this.recording;
    if (!isStored && !this.isUnsaved && transcript.utterances.length) {
      this.isUnsaved = true;
      this.dispatchEvent(new Event("change"));
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), WAIT_MS);
  }
}
