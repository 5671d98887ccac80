// Utterances in which several people speak, as one for each of their turns. Pure.
import { placedWords } from "./spacing.js";

/** The turns of an utterance of Transcript, each with its own speaker, text, words and times; the utterance itself if one
 * person says it all. */
export function turnsOf(utterance) {
  const { text, words, turns = [] } = utterance;
  const placed = turns.length > 1 ? placedWords(text, words) : null;
  if (!placed) return [utterance];
  const found = [];
  for (const { word, text: written, spaced } of placed) {
    const at = words.indexOf(word);
    const { speaker } = turns.findLast((turn) => turn.word <= at) ?? utterance;
    const last = found.at(-1);
    if (last?.speaker === speaker) {
      last.text += `${spaced ? " " : ""}${written}`;
      last.words.push(word);
      last.endMs = word.endMs;
    } else {
      const { startMs, endMs } = word;
      found.push({ ...utterance, speaker, turns: [], text: written, words: [word], startMs, endMs });
    }
  }
  found[0].startMs = utterance.startMs;
  found.at(-1).endMs = utterance.endMs;
  return found;
}
