// The growing text of a session: finished utterances and the one being spoken. Pure.

export class Transcript {
  /** {key, channel, startMs, endMs, text, language, confidence, words: [{word, startMs, endMs, confidence}], speaker,
   * turns: [{word, speaker}]} in order. `channel`: null unless channels are kept apart. `speaker`: "" if unknown;
   * `turns`: who says what, from which word on, if not one speaker says it all. */
  utterances = [];
  /** What is being said, at most once on each channel: {channel, text, stable, startMs}; `text` begins with `stable`. */
  live = [];
  /** Audio without text: {afterKey, fromMs, toMs, isSpeech}; `isSpeech`: it was heard, but not recognised. */
  gaps = [];
  #offsetMs = 0;
  #keys = 0;
  #said = new Map(); // number in the current session -> utterance
  #speakersBefore = 0; // highest number of a speaker before the current session

  /** Appends another session, whose times begin at `offsetMs`. */
  continueAt(offsetMs) {
    this.#offsetMs = offsetMs;
    this.live = [];
    this.#hearNewVoices();
  }

  get isEmpty() {
    return this.utterances.length === 0 && this.live.length === 0;
  }
  /** Where the last finished utterance ends; 0 without any. */
  get endMs() {
    return this.utterances.at(-1)?.endMs ?? 0;
  }

  /** Restores the utterances of an earlier page. */
  restore(utterances) {
    this.utterances = utterances.map((utterance) => ({ ...utterance, key: (this.#keys += 1) }));
  }

  /** Removes everything, but for the sentence being spoken if `keepLive`; returns a function that puts it back. */
  clear(keepLive) {
    const { utterances, gaps, live } = this;
    Object.assign(this, { utterances: [], gaps: [], live: keepLive ? live : [] });
    return () => {
      this.utterances = [...utterances, ...this.utterances];
      this.gaps = [...gaps, ...this.gaps];
      if (!keepLive && !this.live.length) this.live = live;
    };
  }

  /** Applies an event; returns what changed: "live", "final", "speakers", "gap" or null. `ready` is one of a session that
   * was started again. */
  apply(event) {
    switch (event.type) {
      case "partial":
        this.#say(event);
        return "live";
      case "final":
        this.live = this.live.filter(({ channel }) => channel !== channelOf(event));
        if (event.text) this.#keep(event.utterance, this.#finished(event));
        return "final";
      case "speakers_revised":
        for (const revised of event.utterances) {
          // The same object, also while it is cleared and may be put back.
          const utterance = this.#said.get(revised.utterance);
          if (utterance) Object.assign(utterance, this.#voicesOf(revised));
        }
        return "speakers";
      case "ready":
        this.#hearNewVoices();
        return null;
      case "gap":
        this.gaps.push({
          afterKey: this.#keys,
          fromMs: event.from_ms + this.#offsetMs,
          toMs: event.to_ms + this.#offsetMs,
          isSpeech: event.cause === "speech_not_recognized",
        });
        return "gap";
      default:
        return null;
    }
  }

  #say(event) {
    const said = {
      channel: channelOf(event),
      text: event.text,
      stable: event.stable,
      startMs: event.start_ms + this.#offsetMs,
    };
    const others = this.live.filter(({ channel }) => channel !== said.channel);
    this.live = [...others, said].sort((a, b) => a.channel - b.channel);
  }

  #keep(number, utterance) {
    this.#said.set(number, utterance);
    this.utterances.push(utterance);
  }

  /** The server numbers the speakers of each session from 1; those of two sessions may be different people. */
  #hearNewVoices() {
    const told = this.utterances.flatMap(({ speaker, turns = [] }) => [speaker, ...turns.map((turn) => turn.speaker)]);
    this.#speakersBefore = told.reduce((most, name) => Math.max(most, numberOf(name)), this.#speakersBefore);
    this.#said.clear();
  }

  #voicesOf({ speaker, turns = [] }) {
    const named = (name) => (numberOf(name) ? `Speaker ${numberOf(name) + this.#speakersBefore}` : (name ?? ""));
    return { speaker: named(speaker), turns: turns.map((turn) => ({ ...turn, speaker: named(turn.speaker) })) };
  }

  #finished(event) {
    const at = (ms) => ms + this.#offsetMs;
    return {
      key: ++this.#keys,
      channel: channelOf(event),
      startMs: at(event.start_ms),
      endMs: at(event.end_ms),
      text: event.text,
      language: event.language,
      confidence: event.confidence,
      words: (event.words ?? []).map((w) => ({
        word: w.word,
        startMs: at(w.start_ms),
        endMs: at(w.end_ms),
        confidence: w.confidence,
      })),
      ...this.#voicesOf(event),
    };
  }
}

const channelOf = ({ channel = null }) => channel;

/** 3 of "Speaker 3"; 0 of a name, or nobody. */
const numberOf = (speaker) => Number(speaker?.match(/^Speaker (\d+)$/)?.[1] ?? 0);

/** An utterance that is being said as words to show: [{text, isStable}]; a space belongs to the word after it. */
export function liveWords({ text, stable }) {
  return [...pieces(stable, true), ...pieces(text.slice(stable.length), false)];
}

function pieces(text, isStable) {
  if (!text) return [];
  return (text.match(/\s*\S+/g) ?? []).map((piece) => ({ text: piece, isStable }));
}

/** Number of leading words that two renderings have in common; those keep their place on the screen. */
export function commonPrefix(before, after) {
  let n = 0;
  while (n < before.length && n < after.length && before[n].text.trim() === after[n].text.trim()) n += 1;
  return n;
}
