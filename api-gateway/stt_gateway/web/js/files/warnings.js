// What is missing from a transcript, or in doubt, in words. Pure.
import { has, t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";

/** The text of each of a result's warnings, which are about its file; without a place, or of a kind that is unknown
 * here, it is the server's own. */
export const warningTexts = (warnings = []) =>
  warnings.map(({ code, message, start, end }) => {
    if (code === "no_speakers") return t("warning.no_speakers");
    const [from, to] = [start, end ?? start].map((seconds) => shortClock(seconds * 1000));
    const key = from === to ? `warning.${code}_at` : `warning.${code}`;
    return start === undefined || !has(key) ? message : t(key, { from, to });
  });

/** Where speech has no text, such as "0:12–0:15, 1:03"; empty if it has nowhere. */
export const unrecognizedPlaces = (spans = []) =>
  spans
    .map(({ start, end }) => [...new Set([start, end].map((seconds) => shortClock(seconds * 1000)))].join("–"))
    .join(", ");
