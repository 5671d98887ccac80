// The words from which subtitles are built: with their times, their display width, and how well a line may break after
// each. Same rules as the server's core/subtitles/cue_words.py; tests check both against the same examples. Pure.
import { firstOf, lastOf, needsSpace } from "../client/text.js";
import { placedWords, tidy } from "./spacing.js";

export const LINE_CHARS = 42;
export const MAX_MS = 7000;
/** What a line break after a word would separate, best first. */
export const BREAK = { sentence: 0, clause: 1, conjunction: 2, word: 3, bound: 4 };
const MAX_PAUSE_MS = 1000;
const MOST_MS_A_CHAR = 1000 / 6;
const CLAUSE_PAUSE_MS = 400;
const OVERLAP_MS = 500;

const CLOSING = "\"'”’»」』）)]}】》〉";
const CLOSED = "[\"'”’»」』）)\\]}】》〉]*$";
const SENTENCE_END = new RegExp(`[.．｡。?？!！…؟۔।॥։።፧។៕။]${CLOSED}`, "u");
const CLAUSE_END = new RegExp(`[,，;；:：、､،؛၊፣—–]${CLOSED}|^-+$`, "u");
const NO_SENTENCE = /^(?:[A-HJ-Z]|Mr|Mrs|Ms|Dr|St|Prof|Jr|Sr|vs|bzw|ca|Nr|Mme|z\.B|d\.h)\.$/u;
// In scripts without spaces, a line does not begin with NEVER_FIRST or end with NEVER_LAST.
const NEVER_FIRST = new Set(`。、，．：；？！…‥ー・々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ,.:;?!${CLOSING}`);
const NEVER_LAST = new Set("「『（([{【《〈“‘«เแโใไ");
const UNSPACED =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\u{20000}-\u{3ffff}]/u;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4c6\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const NO_WIDTH = /[\p{Mn}\p{Me}]/u;

const listed = (text) => new Set(text.split(/\s+/));
const CONJUNCTIONS = listed(
  `and but or nor because that which who when where while if although though unless until since whether so than
  und aber oder denn sondern weil dass daß wenn obwohl damit bevor nachdem während sodass
  et mais ou donc car parce que qui quand lorsque puisque si afin
  y pero sino porque cuando aunque mientras donde ma perché quando mentre dove mas porém embora
  en maar omdat dat terwijl i и а но или что чтобы потому когда если который которая которые ale lub że bo`,
);
const BINDING = listed(
  `a an the of to in into on at by for from with over under as my your his her its our their this these those
  is are was were be not der die das den dem des ein eine einen einem einer im am zum zur von mit für auf aus bei
  nach vor zu nicht kein keine le la les l' un une des du de au aux à en dans sur pour par avec ce cette ces mon ma
  son sa el los las del al una unos unas con por para su il lo gli i di da nel della het een van op te
  в на с к у о из за по не`,
);

/** Width in columns; Chinese, Japanese and Korean characters take two. */
export function columnsOf(text) {
  let columns = 0;
  for (const char of text) columns += WIDE.test(char) ? 2 : NO_WIDTH.test(char) ? 0 : 1;
  return columns;
}

/** All words in order, [{text, startMs, endMs, columns, spaced, breaks}], in runs without a long pause or a jump back
 * in time. No word is wider than a line. `utterances`: those of Transcript. `text`: the whole transcript, for the spaces
 * between utterances; without it they depend on the script. */
export function rowsOfWords(utterances, text = "") {
  const pieces = [];
  const borders = new Set();
  const placed = placedWords(text, utterances.map((utterance) => ({ word: utterance.text, utterance }))) ?? [];
  const spaces = new Map(placed.map(({ word, spaced }) => [word.utterance, spaced]));
  for (const utterance of utterances) {
    const found = piecesOf(utterance);
    if (pieces.length && found.length)
      found[0].spaced = spaces.get(utterance) ?? needsSpace(pieces.at(-1).text, found[0].text);
    for (const piece of found) pieces.push({ ...piece, speaker: utterance.speaker ?? "" });
    borders.add(pieces.length - 1);
  }
  const rows = [];
  let fresh = true;
  pieces.forEach((piece, at) => {
    const next = pieces[at + 1];
    const breaks = next ? breakBetween(piece, next, borders.has(at)) : BREAK.sentence;
    const { text, startMs, endMs, spaced, speaker } = piece;
    if (fresh) rows.push([]);
    rows.at(-1).push({ text, startMs, endMs, columns: columnsOf(text), spaced, breaks, speaker });
    const pauseMs = next ? next.startMs - endMs : 0;
    fresh = pauseMs < -OVERLAP_MS || pauseMs > MAX_PAUSE_MS || (next && next.speaker !== speaker);
  });
  return rows;
}

/** The name of the speaker whose first word is `first`, with a colon, as words of that moment. */
export function nameWords({ speaker, startMs }) {
  const parts = tidy(`${speaker}:`)
    .split(" ")
    .flatMap((unit) => cut(unit, false));
  return parts.map(({ text, begins }, at) => {
    const spaced = begins && at > 0;
    return { text, startMs, endMs: startMs, columns: columnsOf(text), spaced, breaks: BREAK.bound, speaker };
  });
}

function breakBetween(word, next, isBorder) {
  if (word.inside) return BREAK.bound;
  const [lower, nextLower] = [word.text.toLowerCase(), next.text.toLowerCase()];
  let kind = BREAK.word;
  if (SENTENCE_END.test(word.text) && !NO_SENTENCE.test(word.text))
    // A lower-case word after a full stop, as in "etc. and so on", does not begin a sentence.
    kind = /^\p{Ll}/u.test(next.text) ? BREAK.clause : BREAK.sentence;
  else if (CLAUSE_END.test(word.text)) kind = BREAK.clause;
  else if (CONJUNCTIONS.has(nextLower) && !CONJUNCTIONS.has(lower)) kind = BREAK.conjunction;
  else if (BINDING.has(lower) || CONJUNCTIONS.has(lower)) kind = BREAK.bound;
  return isBorder || next.startMs - word.endMs >= CLAUSE_PAUSE_MS ? Math.min(kind, BREAK.clause) : kind;
}

function piecesOf(utterance) {
  const text = tidy(utterance.text);
  const timed = timedWords(text, utterance.words);
  if (timed) return timed.flatMap((word) => inTurn(word.startMs, word.endMs, cut(word.text, false), word.spaced));
  // A few words do not fill a long utterance; most of it is silence.
  const { startMs, endMs } = utterance;
  const longMs = Math.min(endMs - startMs, Math.max(MAX_MS, columnsOf(text) * MOST_MS_A_CHAR));
  const parts = text
    .split(" ")
    .filter(Boolean)
    .flatMap((unit) => cut(unit, true));
  return inTurn(startMs, startMs + Math.max(0, longMs), parts, true);
}

/** The utterance's words as written in its text; null if they do not match the text. */
function timedWords(text, words) {
  const found = [];
  for (const { word, text: written, spaced } of placedWords(text, words) ?? []) {
    const endMs = Math.max(word.startMs, word.endMs);
    const last = found.at(-1);
    if (last && !spaced && (NEVER_FIRST.has(firstOf(written)) || NEVER_LAST.has(lastOf(last.text)))) {
      last.text += written;
      last.endMs = Math.max(last.endMs, endMs);
    } else found.push({ text: written, startMs: word.startMs, endMs, spaced });
  }
  return found.length ? found : null;
}

/** The text between two spaces, in parts that fit a line. With `finely`, text in a script without spaces is cut
 * wherever a line may break. */
function cut(unit, finely) {
  const unspaced = isUnspaced(unit);
  if (columnsOf(unit) <= LINE_CHARS && !(finely && unspaced)) return [{ text: unit, begins: true, inside: false }];
  const parts = [];
  let text = "";
  for (const char of unit) {
    const isFull = text && columnsOf(text + char) > LINE_CHARS;
    if (isFull || (text && mayPart(lastOf(text), char, unspaced))) {
      parts.push({ text, begins: parts.length === 0, inside: Boolean(isFull) });
      text = "";
    }
    text += char;
  }
  return [...parts, { text, begins: parts.length === 0, inside: false }];
}

function mayPart(last, char, unspaced) {
  if (!unspaced) return last === "-";
  if (NEVER_FIRST.has(char) || NEVER_LAST.has(last) || /\p{M}/u.test(char)) return false;
  return isUnspaced(last) || isUnspaced(char);
}

/** Assigns times to parts in proportion to their widths. */
function inTurn(startMs, endMs, parts, spaced) {
  const widths = parts.map((part) => Math.max(1, columnsOf(part.text)));
  const perColumn = (endMs - startMs) / widths.reduce((sum, width) => sum + width, 0);
  let done = 0;
  return parts.map(({ text, begins, inside }, index) => {
    const from = startMs + perColumn * done;
    done += widths[index];
    return { text, startMs: from, endMs: startMs + perColumn * done, spaced: begins && spaced, inside };
  });
}

const isUnspaced = (text) => UNSPACED.test(text);
