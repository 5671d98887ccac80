// Runs before the first paint, so that a dark page does not flash and texts do not switch language after they appear
// (css/shell.css hides them until they are right). Also recovers a page whose other files failed to load.
{
  // Where site data is blocked, the browser has no storage.
  const stored = (storage, key) => {
    try {
      return window[storage].getItem(key);
    } catch {
      return null;
    }
  };
  const chosen = stored("localStorage", "theme");
  const isDark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  document.documentElement.lang = stored("localStorage", "language") ?? navigator.language.slice(0, 2);

  // When a script or stylesheet fails to load, the page says so and reloads once the server answers.
  const FIRST_RETRY_MS = 2000;
  const MOST_RETRY_MS = 60_000;
  const KEY = "retry_ms"; // doubles with each failed load
  let isWaiting = false;

  const retry = async () => {
    try {
      await fetch("health", { cache: "no-store" });
      location.reload();
    } catch {
      setTimeout(retry, FIRST_RETRY_MS);
    }
  };
  const failed = () => {
    if (isWaiting) return;
    isWaiting = true;
    const waitMs = Number(stored("sessionStorage", KEY)) || FIRST_RETRY_MS;
    try {
      sessionStorage.setItem(KEY, String(Math.min(2 * waitMs, MOST_RETRY_MS)));
    } catch {
      // Without storage, each retry comes after the first interval.
    }
    const show = () => {
      const language = document.documentElement.lang;
      const notice = document.getElementById("load-failed");
      const own = notice.querySelector(`[lang="${language}"]`) ?? notice.querySelector('[lang="en"]');
      own.hidden = notice.hidden = false;
      notice.setAttribute("role", "alert");
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", show);
    else show();
    setTimeout(retry, waitMs);
    window.addEventListener("online", () => location.reload());
  };
  window.addEventListener(
    "error",
    ({ target }) => {
      const { localName, rel } = target;
      if (localName === "script" || (localName === "link" && rel === "stylesheet")) failed();
    },
    true,
  );
  window.addEventListener("load", () => {
    if (!isWaiting && stored("sessionStorage", KEY)) sessionStorage.removeItem(KEY);
  });
}
