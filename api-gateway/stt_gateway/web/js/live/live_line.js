// The line of an utterance that is being said, on one channel. Words that stay keep their elements.
import { shortClock } from "../text/clock.js";
import { h } from "../ui/dom.js";
import { commonPrefix, liveWords } from "./transcript.js";

export class LiveLine {
  #words = [];
  #spans = [];

  /** `name`: an element with the channel's name, or "". */
  constructor(name) {
    this.place = h("time", {});
    this.text = h("p", { dir: "auto" });
    const attributes = { class: "utterance live", "aria-hidden": "true", hidden: true };
    this.element = h("div", attributes, this.place, name ? h("div", {}, name, this.text) : this.text);
  }

  /** Draws `said`, an entry of `Transcript.live`; null: nothing is being said. */
  draw(said) {
    const words = said ? liveWords(said) : [];
    this.element.hidden = words.length === 0;
    if (said) this.place.textContent = shortClock(said.startMs);
    const kept = commonPrefix(this.#words, words);
    for (const span of this.#spans.splice(kept)) span.remove();
    words.forEach((word, i) => {
      if (i >= kept) {
        this.#spans.push(h("span", { class: "word" }));
        this.text.append(this.#spans[i]);
      }
      if (this.#spans[i].textContent !== word.text) this.#spans[i].textContent = word.text;
      this.#spans[i].classList.toggle("unstable", !word.isStable);
    });
    this.#words = words;
  }
}
