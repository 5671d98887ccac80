// Spaces between texts, depending on their script; the same rules as the server's (tests/data/text_spacing.json). Pure.

// Han, kana and their punctuation. Thai and related scripts do put a space between phrases, and so does Korean.
const CHINESE_JAPANESE = /[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uff9f\u{20000}-\u{3ffff}]/u;

/** First character of a text that is not empty. @param {string} text */
export const firstOf = (text) => String.fromCodePoint(/** @type {number} */ (text.codePointAt(0)));

/** Last character of a text that is not empty. @param {string} text */
export const lastOf = (text) => /** @type {string} */ ([...text.slice(-2)].at(-1));

/** Whether a space separates two consecutive texts, neither of them empty.
 * @param {string} before @param {string} after */
export const needsSpace = (before, after) =>
  !CHINESE_JAPANESE.test(lastOf(before)) && !CHINESE_JAPANESE.test(firstOf(after));

/** Joins texts that were spoken one after another, omitting empty ones. @param {string[]} texts */
export function joinTexts(texts) {
  return texts
    .filter(Boolean)
    .reduce((joined, text) => (joined && needsSpace(joined, text) ? `${joined} ${text}` : joined + text), "");
}
