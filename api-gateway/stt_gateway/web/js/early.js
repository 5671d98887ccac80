// Runs before the first paint: a page that was dark must not flash, and texts must not appear in one language and turn
// into another (css/shell.css hides them until they are right).
{
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  document.documentElement.lang = localStorage.getItem("language") ?? navigator.language.slice(0, 2);
}
