// The text of a finished transcript, word by word: words are marked as they are played, and lead to their place.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { placedWords } from "../text/spacing.js";
import { h } from "../ui/dom.js";
import { indexAt } from "./peaks.js";

const UNSURE = 0.4;

export class ResultText {
  #words = []; // elements in order
  #starts = []; // their times in seconds
  #current = null;

  /** `transcript`: {language, segments}. `onSeek(seconds)`: the user chose a place; only after `allowSeeking`. */
  constructor({ language, segments }, onSeek) {
    this.onSeek = onSeek;
    this.isSeekable = false;
    const lines = segments.map((segment) => this.#line(segment, language));
    this.text = h("div", { class: "transcript words", onclick: ({ target }) => this.#clicked(target) }, lines);
    this.element = segments.length ? this.text : h("p", { class: "quiet" }, t("files.no_words"));
  }

  get wordCount() {
    return this.#words.length;
  }

  /** The recording can be played from here on. */
  allowSeeking() {
    this.isSeekable = true;
    this.text.classList.add("can-jump");
    for (const button of this.text.querySelectorAll(".jump")) button.disabled = false;
  }

  /** Marks the word that is played; returns true if it is another than before. */
  mark(seconds) {
    const word = seconds > 0 ? (this.#words[indexAt(this.#starts, seconds)] ?? null) : null;
    if (word === this.#current) return false;
    this.#current?.classList.remove("now");
    word?.classList.add("now");
    this.#current = word;
    return true;
  }

  /** The element of the word that is played; null before the first. */
  get current() {
    return this.#current;
  }

  #line(segment, language) {
    const line = h("p", { lang: language || undefined, dir: "auto" });
    const whole = { word: segment.text, start: segment.start, confidence: 1 };
    const words = placedWords(segment.text, segment.words ?? []) ?? [{ word: whole, text: segment.text.trim() }];
    for (const { word, text, spaced } of words) {
      const element = h("span", { class: word.confidence < UNSURE ? "unsure" : undefined }, text);
      element.dataset.start = word.start;
      this.#starts.push(word.start);
      this.#words.push(element);
      if (spaced) line.append(" ");
      line.append(element);
    }
    const jump = h(
      "button",
      { type: "button", class: "jump", disabled: true, onclick: () => this.onSeek(segment.start) },
      shortClock(segment.start * 1000),
    );
    const voice = voiceOf(segment);
    const name = voice ? h("span", { class: "channel" }, voice) : "";
    return h("div", { class: "utterance" }, jump, h("div", {}, name, line));
  }

  #clicked({ dataset }) {
    // A click that ends a selection of text is none on a word.
    if (this.isSeekable && dataset.start && getSelection().isCollapsed) this.onSeek(Number(dataset.start));
  }
}

/** Who speaks: the speaker in the user's language, or else the channel; "" if neither is known. */
function voiceOf({ speaker = "", channel = null }) {
  const number = speaker.match(/^Speaker (\d+)$/)?.[1];
  if (number) return t("result.speaker", { n: number });
  return speaker || (channel === null ? "" : t("result.channel", { n: channel }));
}
