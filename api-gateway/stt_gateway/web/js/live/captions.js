// A transcript on the screen. Finished sentences are in a log that screen readers follow; the sentence being spoken is
// after the log and is announced only once it is finished. The number of elements is bounded, however long it runs.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { h } from "../ui/dom.js";
import { Following } from "../ui/following.js";
import { commonPrefix, liveWords } from "./transcript.js";

const BLOCK = 40; // utterances added and removed together
const MAX_BLOCKS = 5;

export class Captions {
  #blocks = []; // {from, element}
  #words = [];
  #spans = [];
  #gapCount = 0;

  /** `scroller`: the element that scrolls. `onFollow(isFollowing)`. */
  constructor(transcript, scroller, onFollow) {
    Object.assign(this, { transcript, scroller });
    this.earlier = h(
      "button",
      { type: "button", class: "button small bare", hidden: true, onclick: () => this.#showEarlier() },
      t("live.earlier"),
    );
    this.log = h("div", { class: "transcript", role: "log", "aria-label": t("live.log") });
    this.livePlace = h("time", {});
    this.liveText = h("p", { dir: "auto" });
    this.liveLine = h(
      "div",
      { class: "utterance live", "aria-hidden": "true", hidden: true },
      this.livePlace,
      this.liveText,
    );
    this.element = h(
      "div",
      { class: "captions" },
      this.earlier,
      this.log,
      h("div", { class: "transcript" }, this.liveLine),
    );
    this.following = new Following(scroller, this.element, onFollow);
    this.redraw();
  }

  /** Redraws everything from the transcript, for example after a change of language. */
  redraw() {
    this.#blocks = [];
    this.#gapCount = this.transcript.gaps.length;
    this.log.replaceChildren();
    const count = this.transcript.utterances.length;
    const from = Math.max(0, count - BLOCK * (MAX_BLOCKS - 1));
    this.#quietly(() => {
      for (let i = from; i < count; i += 1) this.#append(i);
    });
    this.earlier.hidden = from === 0;
    this.#showLive();
    this.follow();
  }

  /** Redraws what `Transcript.apply` returned as changed. */
  update(what) {
    if (what === "final") {
      const newest = this.transcript.utterances.length - 1;
      if (newest >= 0 && newest >= this.#nextIndex) this.#append(newest);
    }
    if (what === "gap") this.#showGaps();
    this.#showLive();
    if (this.following.isOn) {
      this.#trim();
      this.follow();
    }
  }

  /** Scrolls to the newest words and follows them. */
  follow() {
    this.following.toNewest();
  }

  get #nextIndex() {
    const last = this.#blocks.at(-1);
    return last ? last.from + last.count : this.transcript.utterances.length - 1;
  }

  #append(index) {
    let block = this.#blocks.at(-1);
    if (!block || block.count >= BLOCK) {
      block = { from: index, count: 0, element: h("div", { class: "block" }) };
      this.#blocks.push(block);
      this.log.append(block.element);
    }
    block.element.append(line(this.transcript.utterances[index]));
    block.count += 1;
  }

  #showLive() {
    const { live } = this.transcript;
    const words = live ? liveWords(live) : [];
    this.liveLine.hidden = words.length === 0;
    if (live) this.livePlace.textContent = shortClock(live.startMs);
    const kept = commonPrefix(this.#words, words);
    for (const span of this.#spans.splice(kept)) span.remove();
    words.forEach((word, i) => {
      if (i >= kept) {
        this.#spans.push(h("span", { class: "word" }));
        this.liveText.append(this.#spans[i]);
      }
      if (this.#spans[i].textContent !== word.text) this.#spans[i].textContent = word.text;
      this.#spans[i].classList.toggle("unstable", !word.isStable);
    });
    this.#words = words;
  }

  #showGaps() {
    for (; this.#gapCount < this.transcript.gaps.length; this.#gapCount += 1) {
      const { isSpeech } = this.transcript.gaps[this.#gapCount];
      const text = t(isSpeech ? "live.unrecognized" : "live.gap");
      (this.#blocks.at(-1)?.element ?? this.log).append(h("p", { class: "gap" }, text));
    }
  }

  #trim() {
    while (this.#blocks.length > MAX_BLOCKS) this.#blocks.shift().element.remove();
    this.earlier.hidden = !this.#blocks.length || this.#blocks[0].from === 0;
  }

  #showEarlier() {
    const first = this.#blocks[0];
    const from = Math.max(0, first.from - BLOCK);
    const block = { from, count: first.from - from, element: h("div", { class: "block" }) };
    for (let i = from; i < first.from; i += 1) block.element.append(line(this.transcript.utterances[i]));
    this.#blocks.unshift(block);
    this.following.set(false);
    const before = this.scroller.scrollHeight;
    this.#quietly(() => this.log.prepend(block.element));
    this.scroller.scrollTop += this.scroller.scrollHeight - before;
    this.earlier.hidden = from === 0;
  }

  /** Adds old lines without having a screen reader announce them. */
  #quietly(action) {
    this.log.setAttribute("aria-live", "off");
    action();
    setTimeout(() => this.log.removeAttribute("aria-live"), 200);
  }
}

function line(utterance) {
  return h(
    "div",
    { class: "utterance" },
    h("time", {}, shortClock(utterance.startMs)),
    h("p", { lang: utterance.language ?? undefined, dir: "auto" }, utterance.text),
  );
}
