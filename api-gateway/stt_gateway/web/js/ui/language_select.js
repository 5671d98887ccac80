// A list of the languages that the server transcribes, by their names in the page's language.
import { language, languageName } from "../i18n/index.js";
import { fillSelect, select } from "./dom.js";

/** A select element. `first`: [value, text] of the entry above the languages. `chosen`: a code, or the first value.
 * `onchange(value)`. */
export function languageSelect(server, { first, chosen, onchange }) {
  const element = select([], "", onchange);
  fillLanguages(element, server, { first, chosen });
  return element;
}

/** Fills the element again, because the server has reported its languages. Until then, `chosen` is listed alone. */
export function fillLanguages(element, { languages }, { first, chosen }) {
  const codes = languages.length || chosen === first[0] ? languages : [chosen];
  const byName = (a, b) => a[1].localeCompare(b[1], language());
  const entries = codes.map((code) => [code, languageName(code)]).sort(byName);
  fillSelect(element, [first, ...entries], codes.includes(chosen) ? chosen : first[0]);
}
