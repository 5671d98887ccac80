// What the library shows when there is no list, or a transcript cannot be shown.
import { t } from "../i18n/index.js";
import { address } from "../router.js";
import { button, h, notice } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

/** Nothing matches the search. */
export function nothingFound(text, onReset) {
  return blank(
    "search",
    t("library.nothing"),
    text ? t("library.nothing.text", { query: text }) : t("library.nothing_filtered"),
    button({ text: t("library.reset"), kind: "small", onclick: onReset }),
  );
}

/** Nothing has been stored yet. */
export function emptyLibrary() {
  const link = h("a", { class: "button main", href: address("files") }, t("files.choose"));
  return blank("search", t("library.empty"), t("library.empty.text"), link);
}

export const wrongDates = () => blank("info", t("library.wrong_dates"), t("library.wrong_dates.text"));

/** The server has no library. */
export const noLibrary = () => blank("info", t("feature.missing"), t("feature.missing.library"));

export function searchFailed(error, onRetry) {
  return notice({
    kind: "bad",
    name: "warn",
    title: t("library.failed"),
    text: error.message,
    role: "alert",
    actions: [button({ name: "retry", text: t("action.again"), kind: "small", onclick: onRetry })],
  });
}

export function transcriptFailed(error, backHref) {
  return notice({
    name: "info",
    title: error.code === "not_found" ? t("library.nothing") : t("library.failed"),
    text: error.message,
    actions: [h("a", { class: "button small", href: backHref }, t("action.back"))],
  });
}

export const skeletons = () => [1, 2, 3].map(() => h("div", { class: "skeleton", "aria-hidden": "true" }));

function blank(iconName, title, text, action = null) {
  return h("div", { class: "blank" }, icon(iconName), h("h2", {}, title), h("p", {}, text), action);
}
