// Keeps the newest words of a scroller in sight, until a reader's hand goes up.
const NEAR_PX = 80;

export class Following {
  #lastTop = 0;
  isOn = true;

  /** `content` grows in `scroller`. `onChange(isOn)`; `mayScroll()`: there is anything to keep in sight. */
  constructor(scroller, content, onChange, mayScroll = () => true) {
    Object.assign(this, { scroller, onChange });
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Fonts that come late, a turned phone: the newest words stay in sight.
    const grown = new ResizeObserver(() => this.isOn && mayScroll() && this.toNewest());
    grown.observe(content);
    grown.observe(scroller);
  }

  /** To the newest words, and stay there. */
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
    // Nothing but a reader's hand goes up.
    else if (scrollTop < this.#lastTop) this.set(false);
    this.#lastTop = scrollTop;
  }
}
