// What a person chose, kept in this browser.

const KEY = "settings";
const DEFAULTS = {
  microphone: "",
  language: "auto",
  translate: false,
  endpointing: "500",
  thin: false,
  keep: false,
  fileLanguage: "auto",
  fileTranslate: false,
  name: "",
  speed: "1",
};

export const settings = { ...DEFAULTS, ...read() };

export function keep(changes) {
  Object.assign(settings, changes);
  localStorage.setItem(KEY, JSON.stringify(settings));
}

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return Object.fromEntries(Object.entries(kept).filter(([name, value]) => typeof value === typeof DEFAULTS[name]));
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
