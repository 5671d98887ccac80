// Big captions for an audience, in full screen where the browser allows it.
import { t } from "../i18n/index.js";
import { button } from "../ui/dom.js";

// Full screen that ends sooner was refused by the system.
const REFUSED_MS = 700;

/** `onChange(isBig)`: draw the page so. Returns {buttons, close()}; `buttons` turn the captions on and off. */
export function bigCaptions(onChange) {
  const on = button({ name: "full", text: t("talk.captions"), kind: "small", onclick: () => show(true) });
  const off = button({
    name: "close",
    text: t("talk.leave_captions"),
    kind: "small",
    hidden: true,
    onclick: () => show(false),
  });
  const listeners = new AbortController();
  let isBig = false;
  let fullSinceMs = null;

  async function show(wanted) {
    if (isBig === wanted) return;
    isBig = wanted;
    on.hidden = isBig;
    off.hidden = !isBig;
    onChange(isBig);
    (isBig ? off : on).focus();
    if (isBig)
      await document.documentElement.requestFullscreen?.().catch(() => {
        /* big captions work without full screen too */
      });
    else if (document.fullscreenElement) await document.exitFullscreen();
  }

  const onFullscreen = () => {
    if (document.fullscreenElement) fullSinceMs = performance.now();
    // Leaving full screen through the browser also leaves the big captions, unless full screen was never entered.
    else if (fullSinceMs !== null && performance.now() - fullSinceMs > REFUSED_MS) show(false);
  };
  const onKey = (event) => {
    if (event.key === "Escape") show(false);
  };
  document.addEventListener("fullscreenchange", onFullscreen, { signal: listeners.signal });
  document.addEventListener("keydown", onKey, { signal: listeners.signal });
  return {
    buttons: [on, off],
    close() {
      listeners.abort();
      show(false);
    },
  };
}
