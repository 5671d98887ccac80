// Texts in the user's language. English is complete; each text missing in another language falls back to it.
import { lasting, store } from "../ui/storage.js";
import { en } from "./en.js";

export const LANGUAGES = { en: "English", fr: "Français", de: "Deutsch" };
const KEY = "language";
let texts = en;
let current = "en";
let plurals = new Intl.PluralRules("en");

/** The saved choice, else the first of the browser's languages that is available, else English. */
export function preferredLanguage(saved, accepted) {
  if (saved in LANGUAGES) return saved;
  return accepted.map((tag) => tag.slice(0, 2).toLowerCase()).find((code) => code in LANGUAGES) ?? "en";
}

export const wantedLanguage = () => preferredLanguage(lasting.getItem(KEY) ?? "", navigator.languages);

let attempts = 0;

/** Loads a language. Throws TypeError, and changes nothing, if its texts cannot be fetched. */
export async function loadLanguage(code = wantedLanguage()) {
  attempts += 1;
  // Some browsers never refetch a module URL that failed once.
  const again = attempts > 1 ? `?again=${attempts}` : "";
  texts = code === "en" ? en : { ...en, ...(await import(`./${code}.js${again}`))[code] };
  current = code;
  plurals = new Intl.PluralRules(code);
  document.documentElement.lang = code;
}

export function keepLanguage(code) {
  store(lasting, KEY, code);
}
export const language = () => current;
/** The current language as the browser lists it, with its region, which determines date and time formats. */
export const locale = () => navigator.languages.find((tag) => tag.slice(0, 2).toLowerCase() === current) ?? current;

/** The text of a key; {name} is replaced by a value, and {n: 3} chooses between {one, other}. */
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

/** A language's name in the user's language only; "Deutsch (German)" would be too long for a list. */
export function languageName(code) {
  if (!code) return "";
  const name = new Intl.DisplayNames([current], { type: "language", fallback: "code" }).of(code === "jw" ? "jv" : code);
  return name.charAt(0).toLocaleUpperCase(current) + name.slice(1);
}
