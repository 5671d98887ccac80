// The user's settings, stored in this browser.
import { lasting, store } from "./storage.js";

/** The maximum that the server accepts. */
export const MOST_PROMPT_CHARS = 1000;
/** So that they fit into a request in any script. */
export const MOST_KEYTERMS_CHARS = 2000;

const KEY = "settings";
const DEFAULTS = {
  microphone: "",
  language: "auto",
  translate: false,
  prompt: "",
  keyterms: "",
  pause: "auto",
  thin: false,
  apart: false,
  speakers: false,
  known: false,
  keep: false,
  redact: false,
  fileLanguage: "auto",
  fileTranslate: false,
  fileChannels: false,
  fileSpeakers: false,
  fileKnown: false,
  fileRedact: false,
  filePrompt: "",
  fileKeyterms: "",
  name: "",
  speed: "1",
};

export const settings = { ...DEFAULTS, ...read() };

export function saveSettings(changes) {
  Object.assign(settings, changes);
  store(lasting, KEY, JSON.stringify(settings));
}

function read() {
  try {
    const saved = JSON.parse(lasting.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(saved).filter(([name, value]) => typeof value === typeof DEFAULTS[name]));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
