// The text of a session as it grows: finished utterances, and the one being spoken. Pure.

export class Transcript {
  /** {key, startMs, endMs, text, language, confidence, words: [{word, startMs, endMs, confidence}]} in order. */
  utterances = [];
  /** {stable, unstable, startMs} or null. */
  live = null;
  /** Positions of lost audio: {afterKey, fromMs, toMs}. */
  gaps = [];
  #offsetMs = 0;
  #keys = 0;

  /** A further session is appended: its times begin at `offsetMs`. */
  continueAt(offsetMs) {
    this.#offsetMs = offsetMs;
    this.live = null;
  }

  get isEmpty() {
    return this.utterances.length === 0 && this.live === null;
  }
  get text() {
    return this.utterances.map((u) => u.text).join("\n");
  }

  /** What an earlier page had. */
  restore(utterances) {
    this.utterances = utterances.map((utterance) => ({ ...utterance, key: (this.#keys += 1) }));
  }

  /** Takes an event; answers what changed: "live", "final", "gap", "speech" or null. */
  apply(event) {
    switch (event.type) {
      case "partial":
        this.live = { stable: event.stable, unstable: event.unstable, startMs: event.start_ms + this.#offsetMs };
        return "live";
      case "final":
        this.live = null;
        if (event.text) this.utterances.push(this.#finished(event));
        return "final";
      case "gap":
        this.gaps.push({
          afterKey: this.#keys,
          fromMs: event.from_ms + this.#offsetMs,
          toMs: event.to_ms + this.#offsetMs,
        });
        return "gap";
      default:
        return null;
    }
  }

  #finished(event) {
    const at = (ms) => ms + this.#offsetMs;
    return {
      key: ++this.#keys,
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
    };
  }
}

const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]/;

/** The unsettled utterance as words to show: [{text, isStable}], a blank belongs to the word behind it. */
export function liveWords(live) {
  const words = [...pieces(live.stable, true), ...pieces(live.unstable, false)];
  const joint = live.stable && live.unstable ? live.stable.length && !UNSPACED.test(live.stable.at(-1)) : false;
  return words.map((word, index) => {
    const isJoint = joint && index > 0 && !word.isStable && words[index - 1].isStable;
    return isJoint ? { ...word, text: ` ${word.text}` } : word;
  });
}

function pieces(text, isStable) {
  if (!text) return [];
  return (text.match(/\s*\S+/g) ?? []).map((piece) => ({ text: piece, isStable }));
}

/** How many words two renderings begin with alike: those keep their place on the screen. */
export function commonPrefix(before, after) {
  let n = 0;
  while (n < before.length && n < after.length && before[n].text.trim() === after[n].text.trim()) n += 1;
  return n;
}
