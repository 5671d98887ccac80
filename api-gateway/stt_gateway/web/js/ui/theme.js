// The colour theme: light, dark, or the system's. The page has it in `data-theme`, which early.js sets before the first
// paint.
import { lasting, store } from "./storage.js";

const KEY = "theme";
export const THEMES = ["auto", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

export const theme = () => (THEMES.includes(lasting.getItem(KEY)) ? lasting.getItem(KEY) : "auto");

export function setTheme(name) {
  store(lasting, KEY, name);
  applyTheme();
}

/** Applies the theme now and whenever the system's changes. */
export function startTheme() {
  systemIsDark.addEventListener("change", applyTheme);
  applyTheme();
}

function applyTheme() {
  const name = theme();
  const colours = name === "auto" ? (systemIsDark.matches ? "dark" : "light") : name;
  document.documentElement.dataset.theme = colours;
  for (const meta of document.querySelectorAll("[data-theme-color]"))
    meta.media = meta.dataset.themeColor === colours ? "all" : "not all";
  // Canvases read their colours when they are drawn, so they must be redrawn.
  window.dispatchEvent(new Event("theme"));
}
