// Words at their places in a text. Pure.

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
