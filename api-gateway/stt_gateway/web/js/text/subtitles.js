// Plain text, SubRip and WebVTT of utterances: at most two lines of 42 characters a cue. Pure.
import { cueClock } from "./clock.js";

export const LINE_CHARS = 42;
const LINES = 2;
const UNSPACED = new Set(["zh", "ja", "th", "lo", "my", "yue"]);

/** `utterances`: those of Transcript. One line each. */
export function plainText(utterances) {
  return utterances.map((u) => `${u.text}\n`).join("");
}

export function srt(utterances) {
  return cues(utterances)
    .map(
      (cue, i) =>
        `${i + 1}\n${times(cue, ",")}\n${cue.lines.map((line) => line.replace(/-{2,}>/g, "->")).join("\n")}\n`,
    )
    .join("\n");
}

export function vtt(utterances) {
  const escape = (line) => line.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  return `WEBVTT\n\n${cues(utterances)
    .map((cue) => `${times(cue, ".")}\n${cue.lines.map(escape).join("\n")}\n`)
    .join("\n")}`;
}

/** [{startMs, endMs, lines}]: utterances cut where they would not fit, between words, at their times. */
export function cues(utterances) {
  const found = [];
  for (const utterance of utterances) {
    for (const part of fitting(utterance)) {
      const lines = wrap(part.text);
      if (lines.length) found.push({ startMs: part.startMs, endMs: Math.max(part.endMs, part.startMs + 1), lines });
    }
  }
  return found;
}

function fitting(utterance) {
  const text = utterance.text.trim().replace(/\s+/g, " ");
  if (wrap(text).length <= LINES) return [{ startMs: utterance.startMs, endMs: utterance.endMs, text }];
  const glue = UNSPACED.has(utterance.language) ? "" : " ";
  const words = utterance.words.length ? utterance.words : evenly(utterance, text, glue);
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    const grown = group ? `${group.text}${glue}${word.word}` : "";
    if (group && wrap(grown).length <= LINES) {
      group.text = grown;
      group.endMs = word.endMs;
    } else groups.push({ startMs: word.startMs, endMs: word.endMs, text: word.word });
  }
  return groups;
}

function evenly(utterance, text, glue) {
  const parts = glue ? text.split(" ") : [...text];
  const perChar = (utterance.endMs - utterance.startMs) / parts.reduce((sum, part) => sum + part.length, 0);
  let startMs = utterance.startMs;
  return parts.map((word) => {
    const begin = startMs;
    startMs += word.length * perChar;
    return { word, startMs: begin, endMs: startMs };
  });
}

/** Lines of at most 42 characters; a word longer than a line is cut. */
export function wrap(text) {
  const lines = [];
  let line = "";
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const letters = [...word];
    for (let i = 0; i < letters.length; i += LINE_CHARS) {
      const piece = letters.slice(i, i + LINE_CHARS).join("");
      if (line && [...line].length + 1 + [...piece].length <= LINE_CHARS && i === 0) line += ` ${piece}`;
      else {
        if (line) lines.push(line);
        line = piece;
      }
    }
  }
  if (line) lines.push(line);
  return lines;
}

function times(cue, comma) {
  return `${cueClock(cue.startMs, comma)} --> ${cueClock(cue.endMs, comma)}`;
}
