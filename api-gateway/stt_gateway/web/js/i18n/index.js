// Texts in the reader's language. English is complete; another language falls back to it, text by text.
import { en } from "./en.js";

export const LANGUAGES = { en: "English", fr: "Français", de: "Deutsch" };
const KEY = "language";
let texts = en;
let current = "en";
let plurals = new Intl.PluralRules("en");

/** The saved choice, else the first of the browser's languages that there is, else English. */
export function preferredLanguage(saved, wished) {
  if (saved in LANGUAGES) return saved;
  return wished.map((tag) => tag.slice(0, 2).toLowerCase()).find((code) => code in LANGUAGES) ?? "en";
}

export const wantedLanguage = () => preferredLanguage(localStorage.getItem(KEY) ?? "", navigator.languages);

let attempts = 0;

/** Raises TypeError, and changes nothing, when the texts cannot be fetched. */
export async function loadLanguage(code = wantedLanguage()) {
  attempts += 1;
  // Some browsers never fetch an address again that failed once.
  const again = attempts > 1 ? `?again=${attempts}` : "";
  texts = code === "en" ? en : { ...en, ...(await import(`./${code}.js${again}`))[code] };
  current = code;
  plurals = new Intl.PluralRules(code);
  document.documentElement.lang = code;
}

export function keepLanguage(code) {
  localStorage.setItem(KEY, code);
}
export const language = () => current;
/** The same as the browser has it, with its country: that decides how days and hours are written. */
export const locale = () => navigator.languages.find((tag) => tag.slice(0, 2).toLowerCase() === current) ?? current;

/** The text of a key; {name} stands for a value, and {n: 3} chooses among {one, other}. */
export function t(key, values = {}) {
  let text = texts[key];
  if (text === undefined) return key;
  if (typeof text === "object") text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? value.toLocaleString(current) : (value ?? "");
  });
}

export const has = (key) => key in texts;

/** "Deutsch (German)" is more than a list needs: the name in the reader's language. */
export function languageName(code) {
  if (!code) return "";
  const name = new Intl.DisplayNames([current], { type: "language", fallback: "code" }).of(code === "jw" ? "jv" : code);
  return name.charAt(0).toLocaleUpperCase(current) + name.slice(1);
}
