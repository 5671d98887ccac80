// Light, dark, or as the system has it.

const KEY = "theme";
export const THEMES = ["auto", "light", "dark"];
export const theme = () => (THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto");

export function setTheme(name) {
  localStorage.setItem(KEY, name);
  applyTheme();
}

export function applyTheme() {
  const name = theme();
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
    meta.dataset.scheme ??= meta.media.includes("dark") ? "dark" : "light";
    meta.media =
      name === "auto" ? `(prefers-color-scheme: ${meta.dataset.scheme})` : name === meta.dataset.scheme ? "all" : "not all";
  }
  // Canvases take their colours when they are drawn.
  window.dispatchEvent(new Event("theme"));
}
