// Preserves the Live text across a reload of its tab, and in this browser while it is saved nowhere else.
import { perTab, store } from "../ui/storage.js";

const KEY = "live";
const WAIT_MS = 800;

/** Fires "change" when `isUnsaved` changes. */
export class TextKeeper extends EventTarget {
  /** Whether there is text that is neither in the library nor copied or downloaded. */
  isUnsaved = false;
  #timer = 0;

  /** Restores the text of an earlier page of this tab. `unsaved`: UnsavedTexts. `tab`: storage that ends with the tab. */
  constructor(recording, unsaved, tab = perTab) {
    super();
    Object.assign(this, { recording, unsaved, tab });
    const unsavedText = unsaved.read();
    const tabText = JSON.parse(tab.getItem(KEY) ?? "[]");
    // The text may not have fitted into the tab's own storage.
    const newest = unsavedText.length > tabText.length ? unsavedText : tabText;
    if (newest.length) this.#show(newest);
    this.isUnsaved = unsavedText.length > 0;
    recording.addEventListener("text", ({ detail }) => {
      if (detail === "final" || detail === "speakers") this.#grown();
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
    // The text of many hours may not fit; the page itself still has it.
    if (!store(this.tab, KEY, JSON.stringify(utterances))) this.tab.removeItem(KEY);
    if (this.isUnsaved) this.unsaved.write(utterances);
    else this.unsaved.clear();
  }

  /** Sets whether the text is unsaved, and writes or removes it. */
  mark(isUnsaved) {
    const changed = this.isUnsaved !== isUnsaved;
    this.isUnsaved = isUnsaved;
    this.flush();
    if (changed) this.dispatchEvent(new Event("change"));
  }

  /** Takes over an unsaved text that another tab left. */
  restore(entry) {
    this.#show(entry.utterances);
    this.unsaved.discard(entry);
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
