// The text of a finished transcript, word by word: words are marked as they are played, and lead to their place.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { placedWords } from "../text/spacing.js";
import { button, h } from "../ui/dom.js";
import { indexAt } from "./peaks.js";
import { shownVoice, voiceOf } from "./voices.js";

const UNSURE = 0.4;

const unsureness = ({ confidence }) =>
  confidence < UNSURE
    ? { class: "unsure", title: t("result.unsure_word", { p: Math.round(100 * confidence) }) }
    : {};

/** A failed file has its own notice. */
const emptyText = ({ state = "completed" }) => (state === "completed" ? t("files.no_words") : "");

export class ResultText {
  #words = []; // elements in order
  #starts = []; // their times in seconds
  #current = null;
  #unsureFrom = -1; // start of the unsure word that was shown last

  /** `transcript`: {language, segments}. `onSeek(seconds)`: the user chose a place; only after `allowSeeking`.
   * `onVoice(segment, place)`: the user chose the name in a segment; null: names are no buttons. `onText(number, place)`:
   * the user wants to edit the segment of this number; only while editing. */
  constructor(transcript, { onSeek, onVoice, onText }) {
    Object.assign(this, { onSeek, onVoice, onText });
    this.isSeekable = false;
    this.isEditing = false;
    this.text = h("div", { class: "transcript words", onclick: ({ target }) => this.#clicked(target) });
    this.draw(transcript);
    this.element = transcript.segments.length ? this.text : h("p", { class: "quiet" }, emptyText(transcript));
  }

  /** Shows the segments of a transcript, in place of those before. */
  draw({ language, segments }) {
    Object.assign(this, { language });
    this.#words = [];
    this.#starts = [];
    this.#current = null;
    this.text.replaceChildren(...segments.map((segment, number) => this.#line(segment, number)));
  }

  /** Lets the user edit each sentence, or not. */
  setEditing(isEditing) {
    this.isEditing = isEditing;
    this.text.classList.toggle("editing", isEditing);
    for (const pen of this.text.querySelectorAll(".pen")) pen.hidden = !isEditing;
  }

  /** The paragraph of a segment. */
  lineOf(number) {
    return this.text.children[number]?.querySelector("p");
  }

  /** Gives the focus to the button that edits a segment. */
  focusLine(number) {
    this.text.children[number]?.querySelector(".pen")?.focus({ preventScroll: true });
  }

  /** Selects letters of a segment, and shows them. */
  select(number, at, length) {
    const line = this.lineOf(number);
    if (!line) return;
    const [start, end] = [at, at + length].map((place) => placeIn(line, place));
    getSelection().setBaseAndExtent(...start, ...end);
    line.scrollIntoView({ block: "center" });
  }

  /** Marks places, [{segment, at, length}], where the browser can, and shows the first of them. */
  showHits(hits) {
    const found = hits.filter(({ segment }) => this.lineOf(segment));
    if (!found.length) return;
    const ranges = found.map(({ segment, at, length }) => {
      const range = document.createRange();
      range.setStart(...placeIn(this.lineOf(segment), at));
      range.setEnd(...placeIn(this.lineOf(segment), at + length));
      return range;
    });
    CSS.highlights?.set("hit", new Highlight(...ranges));
    const { top, height } = ranges[0].getBoundingClientRect();
    window.scrollBy({ top: top - (window.innerHeight - height) / 2, behavior: "instant" });
  }

  /** The unsure word after the one that this found last, {segment, at, length}; null if there is none. */
  nextUnsure() {
    const unsure = [...this.text.querySelectorAll(".unsure")];
    const next = unsure.find((word) => Number(word.dataset.start) > this.#unsureFrom) ?? unsure[0];
    if (!next) return null;
    this.#unsureFrom = Number(next.dataset.start);
    const line = next.closest("p");
    const before = document.createRange();
    before.setStart(line, 0);
    before.setEndBefore(next);
    const segment = [...this.text.children].indexOf(line.closest(".utterance"));
    return { segment, at: before.toString().length, length: next.textContent.length };
  }

  /** Gives the focus to the name in the segment that begins where this one does. */
  focusVoice({ start }) {
    this.text.querySelector(`button.voice[data-at="${start}"]`)?.focus({ preventScroll: true });
  }

  /** Whether some words are marked as uncertain. */
  get hasUnsure() {
    return this.text.querySelector(".unsure") !== null;
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

  #line(segment, number) {
    const line = h("p", { lang: this.language || undefined, dir: "auto" });
    const whole = { word: segment.text, start: segment.start, confidence: 1 };
    const words = placedWords(segment.text, segment.words ?? []) ?? [{ word: whole, text: segment.text.trim() }];
    for (const { word, text, spaced } of words) {
      const element = h("span", unsureness(word), text);
      element.dataset.start = word.start;
      this.#starts.push(word.start);
      this.#words.push(element);
      if (spaced) line.append(" ");
      line.append(element);
    }
    const jump = h(
      "button",
      { type: "button", class: "jump", disabled: !this.isSeekable, onclick: () => this.onSeek(segment.start) },
      shortClock(segment.start * 1000),
    );
    const pen = this.onText && this.#pen(number, segment, line);
    return h("div", { class: "utterance" }, jump, h("div", {}, this.#voice(segment), line, pen));
  }

  #pen(number, segment, line) {
    const pen = button({
      name: "pen",
      label: `${t("edit.sentence")}: ${segment.text.trim()}`,
      kind: "bare small pen",
      onclick: () => this.onText(number, line),
    });
    pen.title = t("edit.sentence");
    pen.hidden = !this.isEditing;
    return pen;
  }

  #voice(segment) {
    const name = shownVoice(voiceOf(segment));
    if (!name) return "";
    if (!this.onVoice) return h("span", { class: "voice", dir: "auto" }, name);
    const element = h(
      "button",
      {
        type: "button",
        class: "voice",
        dir: "auto",
        title: t("speaker.change"),
        "aria-label": `${name}: ${t("speaker.change")}`,
        "data-at": segment.start,
        onclick: () => this.onVoice(segment, element),
      },
      name,
    );
    return element;
  }

  #clicked(target) {
    const { dataset } = target;
    if (this.isEditing) {
      const line = target.closest("p");
      const utterance = line?.closest(".utterance");
      if (utterance && getSelection().isCollapsed) this.onText([...this.text.children].indexOf(utterance), line);
      return;
    }
    // A click that ends a selection of text is none on a word.
    if (this.isSeekable && dataset.start && getSelection().isCollapsed) this.onSeek(Number(dataset.start));
  }
}

/** The place of the letter number `at` in an element: [node, offset]. */
function placeIn(element, at) {
  const nodes = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = at;
  let node = nodes.nextNode();
  while (node && left > node.length) {
    left -= node.length;
    node = nodes.nextNode() ?? null;
  }
  return node ? [node, left] : [element, element.childNodes.length];
}
