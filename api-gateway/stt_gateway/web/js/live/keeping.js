// Keeps the Live text: over a reload in its tab, and as a draft in this browser while it is saved nowhere else.
const KEY = "live";
const WAIT_MS = 800;

/** Fires "change" when `isUnsaved` does. */
export class Keeping extends EventTarget {
  /** There is text that is neither in the library nor copied or downloaded. */
  isUnsaved = false;
  #timer = 0;

  /** Restores what an earlier page of this tab had. `drafts`: Drafts. `tab` is a storage that ends with the tab. */
  constructor(recording, drafts, tab = sessionStorage) {
    super();
    Object.assign(this, { recording, drafts, tab });
    const draft = drafts.read();
    const kept = JSON.parse(tab.getItem(KEY) ?? "[]");
    // The tab's own storage may have been too small for it.
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

  /** Writes what there is, at once. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const { utterances } = this.recording.transcript;
    try {
      this.tab.setItem(KEY, JSON.stringify(utterances));
    } catch (error) {
      // Hours of text do not fit; the page itself still has them.
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
