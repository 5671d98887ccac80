// Spaces between words and texts. Pure.

// Han, kana and their punctuation. Thai and related scripts do put a space between phrases, and so does Korean.
const CHINESE_JAPANESE = /[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\u{20000}-\u{3ffff}]/u;

/** Whether a space separates two consecutive texts, neither of them empty. Same rule as the server's
 * stt_shared/contracts/text.py; tests/data/text_spacing.json tests both. */
export const needsSpace = (before, after) =>
  !CHINESE_JAPANESE.test(lastOf(before)) && !CHINESE_JAPANESE.test(firstOf(after));

/** Words as written in their text: [{word, text, spaced}]; `spaced`: a space separates it from the previous one.
 * Words without text are left out. null if the words do not match the text. */
export function placedWords(text, words) {
  const whole = tidy(text);
  const found = [];
  let at = 0;
  for (const word of words) {
    const written = tidy(word.word);
    if (!written) continue;
    const begin = whole.indexOf(written, at);
    if (begin < 0 || whole.slice(at, begin).trim()) return null;
    found.push({ word, text: written, spaced: begin > at });
    at = begin + written.length;
  }
  return found.length && !whole.slice(at).trim() ? found : null;
}

export const tidy = (text) => text.trim().split(/\s+/).join(" ");
export const firstOf = (text) => String.fromCodePoint(text.codePointAt(0));
export const lastOf = (text) => [...text.slice(-2)].at(-1);
