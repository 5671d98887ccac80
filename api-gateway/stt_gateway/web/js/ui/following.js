// Keeps the newest words of a scroller in view until the reader scrolls up.
import { button } from "./dom.js";

const NEAR_PX = 80;

export class Following {
  #lastTop = 0;
  isOn = true;

  /** `content` grows inside `scroller`. `onChange(isOn)`; `mayScroll()`: whether there is anything to keep in view. */
  constructor(scroller, content, onChange, mayScroll = () => true) {
    Object.assign(this, { scroller, onChange });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Keep the newest words in view when fonts load late or a phone is rotated.
    const grown = new ResizeObserver(() => this.isOn && mayScroll() && this.toNewest());
    grown.observe(content);
    grown.observe(scroller);
  }

  /** Scrolls to the newest words and follows them. */
  toNewest() {
    this.set(true);
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  set(isOn) {
    if (this.isOn === isOn) return;
    this.isOn = isOn;
    this.onChange(isOn);
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX) this.set(true);
    // Only the reader scrolls up.
    else if (scrollTop < this.#lastTop) this.set(false);
    this.#lastTop = scrollTop;
  }
}

/** A button that leads back to where the text is followed; hidden while it is followed. */
export const jumpButton = (text, onclick) =>
  button({ name: "down", text, kind: "small main to-now", hidden: true, onclick });
