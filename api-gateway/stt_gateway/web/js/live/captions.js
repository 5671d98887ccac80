// A transcript on the screen. Finished sentences are in a log that screen readers follow; what is being said, on each
// channel, is after the log and is announced only once it is finished. The number of elements is bounded, however long it runs.
import { t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { turnsOf } from "../text/turns.js";
import { shownVoice } from "../files/voices.js";
import { h } from "../ui/dom.js";
import { Following } from "../ui/following.js";
import { LiveLine } from "./live_line.js";

const BLOCK = 40; // utterances added and removed together
const MAX_BLOCKS = 5;

export class Captions {
  #blocks = []; // {from, count, element}
  #drawn = new WeakMap(); // line -> {utterance, voices}
  #lines = new Map(); // channel -> LiveLine
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
    this.liveLines = h("div", { class: "transcript" });
    this.element = h("div", { class: "captions" }, this.earlier, this.log, this.liveLines);
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
      for (let i = Math.max(0, this.#nextIndex); i <= newest; i += 1) this.#append(i);
    }
    if (what === "speakers") this.#reviseSpeakers();
    if (what === "gap") this.#showGaps();
    this.#showLive();
    if (this.following.isOn) {
      this.#trim();
      this.follow();
    }
  }

  /** Shows all of it, however long. */
  showAll() {
    while (this.#blocks.length && this.#blocks[0].from > 0) this.#showEarlier();
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
    block.element.append(this.#line(this.transcript.utterances[index]));
    block.count += 1;
  }

  #line(utterance) {
    const element = line(utterance);
    this.#drawn.set(element, { utterance, voices: voicesIn(utterance) });
    return element;
  }

  /** Draws the lines again whose speakers are others than they show. */
  #reviseSpeakers() {
    this.#quietly(() => {
      for (const element of this.log.querySelectorAll(".utterance")) {
        const { utterance, voices } = this.#drawn.get(element);
        if (voicesIn(utterance) !== voices) element.replaceWith(this.#line(utterance));
      }
    });
  }

  #showLive() {
    const { live } = this.transcript;
    for (const { channel } of live) if (!this.#lines.has(channel)) this.#addLine(channel);
    for (const [channel, shown] of this.#lines) shown.draw(live.find((said) => said.channel === channel) ?? null);
  }

  #addLine(channel) {
    const added = new LiveLine(voiceElement({ channel }));
    this.#lines.set(channel, added);
    this.liveLines.append(added.element);
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
    for (let i = from; i < first.from; i += 1) block.element.append(this.#line(this.transcript.utterances[i]));
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
  const { startMs, language } = utterance;
  const parts = turnsOf(utterance).flatMap((turn) => [
    voiceElement(turn),
    h("p", { lang: language ?? undefined, dir: "auto" }, turn.text),
  ]);
  const said = parts.filter(Boolean);
  return h(
    "div",
    { class: "utterance" },
    h("time", {}, shortClock(startMs)),
    said.length > 1 ? h("div", {}, said) : said[0],
  );
}

const voicesIn = ({ speaker, turns }) => JSON.stringify([speaker, turns]);

/** Who speaks, and on which channel if they are kept apart; "" if neither is known. */
function voiceElement({ speaker, channel = null }) {
  const names = [shownVoice(speaker ?? ""), channel === null ? "" : t("result.channel", { n: channel })];
  const name = names.filter(Boolean).join(" · ");
  return name ? h("span", { class: "voice", dir: "auto" }, name) : "";
}
