// What is missing from a transcript, or in doubt, because of its file: the warnings of a job's result, in words. Pure.
import { has, t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";

/** The text of each warning; without a place, or of a kind that is unknown here, it is the server's own. */
export const warningTexts = (warnings = []) =>
  warnings.map(({ code, message, start, end }) => {
    const [from, to] = [start, end ?? start].map((seconds) => shortClock(seconds * 1000));
    const key = from === to ? `warning.${code}_at` : `warning.${code}`;
    return start === undefined || !has(key) ? message : t(key, { from, to });
  });
