// The text of a conversation, to take along. Pure.
import { plainText } from "../text/subtitles.js";

/** One line for each turn: "Ada: Good morning." `utterances`: those of Feed. */
export const textOf = (utterances) =>
  plainText(utterances.map(({ text, speaker, channel }) => ({ text, speaker: speaker ?? "", channel })));
