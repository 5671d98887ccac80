// Keeps the word being played in view until the reader scrolls. It is the whole page that scrolls.
const TOP_PX = 110; // covered by the player
const BOTTOM_PX = 90;
const OWN_SCROLL_MS = 1000; // longest smooth scroll
const FIELDS = "input:not([type=range]), textarea, select";

export class PlaybackFollowing {
  isOn = true;
  /** Whether the reader is moving the player's slider: nothing scrolls until it is released. */
  #isHeld = false;
  #word = null;
  #ownUntil = 0;
  #listeners = new AbortController();

  /** `isPlaying()`; `onChange(isOn)`. */
  constructor({ isPlaying, onChange }) {
    Object.assign(this, { isPlaying, onChange });
    const { signal } = this.#listeners;
    // After any of these events, scrolling is attributed to the reader.
    for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"])
      window.addEventListener(kind, () => (this.#ownUntil = 0), { passive: true, signal });
    window.addEventListener("scroll", () => this.#scrolled(), { passive: true, signal });
  }

  /** Sets the word being played; null before the first. */
  show(word) {
    this.#word = word;
    this.#keepInSight();
  }

  hold(isHeld) {
    this.#isHeld = isHeld;
    // After choosing a position, the reader wants to see it.
    if (!isHeld) this.toNow();
  }

  /** Scrolls to the word being played and follows it. */
  toNow() {
    this.#set(true);
    this.#keepInSight();
  }

  destroy() {
    this.#listeners.abort();
  }

  #keepInSight() {
    if (!this.isOn || this.#isHeld || !this.#word || isInSight(this.#word)) return;
    // A form that is being filled in must not scroll away.
    if (document.activeElement?.matches(FIELDS)) return;
    this.#ownUntil = performance.now() + OWN_SCROLL_MS;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    this.#word.scrollIntoView({ block: "center", behavior });
  }

  #scrolled() {
    if (this.isPlaying() && performance.now() > this.#ownUntil) this.#set(false);
  }

  #set(isOn) {
    if (this.isOn === isOn) return;
    this.isOn = isOn;
    this.onChange(isOn);
  }
}

function isInSight(element) {
  const { top, bottom } = element.getBoundingClientRect();
  return top > TOP_PX && bottom < window.innerHeight - BOTTOM_PX;
}
