// The colour theme: light, dark, or the system's.

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
  // Canvases read their colours when they are drawn, so they must be redrawn.
  window.dispatchEvent(new Event("theme"));
}
