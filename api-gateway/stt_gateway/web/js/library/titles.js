// Display names of stored transcripts. Pure.
import { locale, t } from "../i18n/index.js";

const GENERATED_ID = /^[0-9a-f]{32}$/;

/** A live recording's title is its session id until somebody renames it. An id chosen by a client counts as a name. */
export const isUnnamed = ({ kind, title, id }) =>
  kind === "live" && GENERATED_ID.test(title ?? "") && id.startsWith(title);

export function nameOf(one) {
  if (isUnnamed(one)) return `${t("nav.live")}, ${minute(one.created_at)}`;
  return one.title || one.filename || `${t("library.untitled")} ${day(one.created_at)}`;
}

/** The day alone. */
function day(moment) {
  return new Date(moment).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric" });
}

/** The day and the time, in the user's own time zone. */
export function minute(moment) {
  return new Date(moment).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}
