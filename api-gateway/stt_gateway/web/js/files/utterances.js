// A job's segments in the form of the live Transcript. Pure.

/** Returns a function that converts a segment (times in seconds) to an utterance (milliseconds). */
export const toUtterance = (language) => (segment) => ({
  key: segment.id,
  startMs: segment.start * 1000,
  endMs: segment.end * 1000,
  text: segment.text.trim(),
  language,
  channel: segment.channel ?? null,
  speaker: segment.speaker ?? "",
  words: (segment.words ?? []).map((word) => ({
    word: word.word.trim(),
    startMs: word.start * 1000,
    endMs: word.end * 1000,
  })),
});
