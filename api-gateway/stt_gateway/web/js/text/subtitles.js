// Plain text, SubRip and WebVTT of utterances, laid out for reading: at most two lines of 42 characters, breaks at the
// ends of sentences and clauses, one to seven seconds. Same rules as the server's core/subtitles/subtitles.py; tests
// check both against the same examples. Implemented here too since a server need not store live text, and may be gone
// when the text is saved. Pure.
import { cueClock } from "./clock.js";
import { BREAK, LINE_CHARS, MAX_MS, nameWords, rowsOfWords } from "./cue_words.js";
import { needsSpace } from "../client/text.js";

const LINES = 2;
const MIN_MS = 1000;
const CHARS_PER_S = 20;
const FLICKER_MS = 500;
// Costs of a cue; the cheapest sequence of cues is chosen.
const CUE_BREAK = [0, 1.5, 2.5, 5, 8]; // indexed by BREAK
const LINE_BREAK = [0, 0.5, 1, 2, 4];
const ANOTHER_SENTENCE = 2;
const MISSING_SECOND = 6;
const UNEVEN = 4;

/** One line per utterance or, where `speaker`s were told apart, per turn. `utterances`: those of Transcript; `channel`:
 * of a recording whose channels were kept apart. */
export function plainText(utterances) {
  if (!utterances.some(({ speaker }) => speaker))
    return utterances.map((u) => `${hasChannel(u) ? `${channelName(u)}: ` : ""}${u.text}\n`).join("");
  const turns = [];
  for (const utterance of utterances) {
    const voice = voiceOf(utterance);
    const { text } = utterance;
    const last = turns.at(-1);
    if (last?.voice === voice) last.text += `${needsSpace(last.text, text) ? " " : ""}${text}`;
    else turns.push({ voice, text });
  }
  return turns.map(({ voice, text }) => (voice ? `${voice}: ${text}\n` : `${text}\n`)).join("");
}

const hasChannel = ({ channel }) => channel !== undefined && channel !== null;
const channelName = ({ channel }) => `Channel ${channel}`;
/** The name of a speaker or, if none is known, of a channel; "" if there is neither. */
const voiceOf = (one) => one.speaker || (hasChannel(one) ? channelName(one) : "");

export function srt(utterances, text) {
  // An arrow in the text would be mistaken for a timing line.
  const escape = (line) => line.replace(/-{2,}>/g, "->");
  return cues(utterances, text, true)
    .map((cue, i) => {
      const name = hasChannel(cue) && !cue.speaker ? `${channelName(cue)}: ` : "";
      return `${i + 1}\n${times(cue, ",")}\n${name}${cue.lines.map(escape).join("\n")}\n`;
    })
    .join("\n");
}

export function vtt(utterances, text) {
  const escape = (line) => line.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  return `WEBVTT\n\n${cues(utterances, text)
    .map((cue) => {
      const voice = escape(voiceOf(cue));
      const name = voice ? `<v ${voice}>` : "";
      return `${times(cue, ".")}\n${name}${cue.lines.map(escape).join("\n")}\n`;
    })
    .join("\n")}`;
}

/** Subtitle cues in the order of their starts: [{startMs, endMs, lines, channel, speaker}]. A cue begins with its first word. It stays beyond its last word
 * if it would otherwise be too short to read, but never overlaps the next cue of its channel. `text`: see rowsOfWords. `namesInText`: the words of
 * a speaker begin with the speaker's name. */
export function cues(utterances, text, namesInText = false) {
  const channels = [...new Set(utterances.map(({ channel = null }) => channel))];
  if (channels.length < 2) return cuesInTurn(utterances, text, channels[0], namesInText);
  return channels
    .flatMap((wanted) =>
      cuesInTurn(utterances.filter(({ channel = null }) => channel === wanted), "", wanted, namesInText),
    )
    .sort((a, b) => a.startMs - b.startMs || a.channel - b.channel);
}

function cuesInTurn(utterances, text, channel, namesInText) {
  const spoken = rowsOfWords(utterances, text);
  const rows = namesInText ? withNames(spoken) : spoken;
  const groups = rows.flatMap((row, at) => cheapest(row, rows[at + 1]?.[0].startMs ?? Infinity));
  return groups.map((group, at) => {
    const { startMs } = group[0];
    const thenMs = groups[at + 1]?.[0].startMs ?? Infinity;
    const endMs = shownUntil(startMs, group.at(-1).endMs, columnsOf(group), thenMs);
    return { startMs, endMs, lines: lines(group), channel, speaker: group[0].speaker };
  });
}

/** The rows with the speaker's name before the first word where the speaker changes. */
function withNames(rows) {
  return rows.map((row, at) => {
    const { speaker } = row[0];
    if (!speaker || speaker === rows[at - 1]?.[0].speaker) return row;
    return [...nameWords(row[0]), { ...row[0], spaced: true }, ...row.slice(1)];
  });
}

/** Cuts a run of words without a long pause into cues; `thenMs`: start of the next run. */
function cheapest(words, thenMs) {
  // Prefix sums, so that the words between two positions need not be visited one by one.
  const widths = [0];
  const sentences = [0];
  for (const word of words) {
    widths.push(widths.at(-1) + word.columns + Number(word.spaced));
    sentences.push(sentences.at(-1) + Number(word.breaks === BREAK.sentence));
  }
  const startOf = (at) => words[at]?.startMs ?? thenMs;
  const endOfLine = (begin) => {
    const room = widths[begin] + Number(words[begin].spaced) + LINE_CHARS;
    let end = begin + 1;
    while (end < words.length && widths[end + 1] <= room) end += 1;
    return end;
  };
  const costOf = (begin, end) => {
    const columns = widths[end] - widths[begin] - Number(words[begin].spaced);
    const missingMs = Math.max(0, readingMs(columns) - Math.min(MAX_MS, startOf(end) - startOf(begin)));
    const broken = end < words.length ? CUE_BREAK[words[end - 1].breaks] : 0;
    const more = ANOTHER_SENTENCE * (sentences[end - 1] - sentences[begin]);
    return broken + more + (MISSING_SECOND * missingMs) / 1000 + (columns / (LINES * LINE_CHARS)) ** 2;
  };
  const best = [0, ...words.map(() => Infinity)];
  const begins = new Array(words.length + 1).fill(0);
  for (let begin = 0; begin < words.length; begin += 1) {
    const firstLine = endOfLine(begin);
    const last = firstLine < words.length ? endOfLine(firstLine) : words.length;
    for (let end = begin + 1; end <= last; end += 1) {
      if (end > begin + 1 && words[end - 1].endMs - words[begin].startMs > MAX_MS) break;
      const cost = best[begin] + costOf(begin, end);
      if (cost < best[end]) [best[end], begins[end]] = [cost, begin];
    }
  }
  const groups = [];
  for (let end = words.length; end; end = begins[end]) groups.unshift(words.slice(begins[end], end));
  return groups;
}

function readingMs(columns) {
  return Math.max(MIN_MS, (1000 * columns) / CHARS_PER_S);
}

function shownUntil(startMs, spokenMs, columns, thenMs) {
  let endMs = Math.min(Math.max(spokenMs, startMs + readingMs(columns)), startMs + MAX_MS);
  if (thenMs > startMs) {
    endMs = Math.min(endMs, thenMs);
    // A shorter gap between cues would flicker.
    if (thenMs - endMs < FLICKER_MS && thenMs - startMs <= MAX_MS) endMs = thenMs;
  }
  return Math.max(endMs, startMs + 1);
}

function lines(words) {
  if (columnsOf(words) <= LINE_CHARS) return [textOf(words)];
  let [best, least] = [1, Infinity];
  for (let at = 1; at < words.length; at += 1) {
    const cost = lineCost(words.slice(0, at), words.slice(at));
    if (cost < least) [best, least] = [at, cost];
  }
  return [textOf(words.slice(0, best)), textOf(words.slice(best))];
}

function lineCost(upper, lower) {
  const [above, below] = [columnsOf(upper), columnsOf(lower)];
  if (Math.max(above, below) > LINE_CHARS) return Infinity;
  const uneven = (UNEVEN * Math.abs(above - below)) / (above + below);
  // If both are equally good, the longer line goes at the bottom.
  return LINE_BREAK[upper.at(-1).breaks] + uneven + (above > below ? 0.2 : 0);
}

function columnsOf(words) {
  return words.reduce((sum, word) => sum + word.columns + Number(word.spaced), -Number(words[0].spaced));
}

function textOf(words) {
  return words
    .map((word) => (word.spaced ? " " : "") + word.text)
    .join("")
    .trim();
}

function times(cue, comma) {
  return `${cueClock(cue.startMs, comma)} --> ${cueClock(cue.endMs, comma)}`;
}
