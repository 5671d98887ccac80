// Live text that is saved nowhere else, in this browser's storage, where it survives its tab and a crash. Each tab has
// one entry and holds a lock with its name; an entry whose lock is free was left behind.
import { lasting, perTab, store } from "../ui/storage.js";
import { newId } from "../client/address.js";

// Browsers have entries of these names.
const PREFIX = "draft:";
const TAB_KEY = "draft";
// A page that is being reloaded releases its lock a moment later.
const LOCK_PATIENCE_MS = 1500;

export class UnsavedTexts {
  /** `storage` outlives the tab, `tab` does not. Without `locks` (insecure pages, which cannot record), entries of
   * other tabs are not listed. */
  constructor({ storage = lasting, tab = perTab, locks = navigator.locks } = {}) {
    Object.assign(this, { storage, tab, locks });
    this.#use(tab.getItem(TAB_KEY) ?? newId());
  }

  /** Locks this tab's entry, or moves to a new one: a duplicated tab starts with the key of the original. */
  async hold() {
    if (!this.locks || (await this.#lock(LOCK_PATIENCE_MS))) return;
    const utterances = this.read();
    this.#use(newId());
    if (utterances.length) this.write(utterances);
    await this.#lock(LOCK_PATIENCE_MS);
  }

  /** Utterances of this tab's entry; empty without one. */
  read() {
    return this.#parsed(this.key)?.utterances ?? [];
  }

  /** Writes the entry. Returns false if the browser has no room for it; the previous version then remains. */
  write(utterances) {
    const startedAt = this.#parsed(this.key)?.startedAt ?? Date.now();
    return store(this.storage, this.key, JSON.stringify({ startedAt, utterances }));
  }

  clear() {
    this.storage.removeItem(this.key);
  }

  /** Entries of closed tabs, newest first: [{key, startedAt, utterances}]. */
  async leftBehind() {
    if (!this.locks) return [];
    const held = await this.#heldLocks();
    const inUse = new Set([this.key, ...held.map((lock) => lock.name)]);
    return Object.keys(this.storage)
      .filter((key) => key.startsWith(PREFIX) && !inUse.has(key))
      .map((key) => ({ key, ...this.#parsed(key) }))
      .filter((entry) => entry.utterances?.length)
      .sort((a, b) => b.startedAt - a.startedAt);
  }

  /** Removes the entry of a closed tab; returns a function that restores it. */
  discard({ key, startedAt, utterances }) {
    this.storage.removeItem(key);
    return () => store(this.storage, key, JSON.stringify({ startedAt, utterances }));
  }

  #use(id) {
    this.key = PREFIX + id;
    store(this.tab, TAB_KEY, id);
  }

  /** Holds the lock until the tab is closed; returns false if another tab has it. */
  #lock(patienceMs) {
    return new Promise((resolve) => {
      const onLock = () => {
        resolve(true);
        return new Promise(() => {});
      };
      this.locks.request(this.key, { signal: AbortSignal.timeout(patienceMs) }, onLock).catch(() => resolve(false));
    });
  }

  async #heldLocks() {
    try {
      return (await this.locks.query()).held ?? [];
    } catch (error) {
      // Site data is blocked, so no other tab has left anything here.
      if (error.name !== "SecurityError") throw error;
      return [];
    }
  }

  #parsed(key) {
    try {
      return JSON.parse(this.storage.getItem(key) ?? "null");
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }
}
