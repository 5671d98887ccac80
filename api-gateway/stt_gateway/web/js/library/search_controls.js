// What to look for in the library: words, and filters.
import { t } from "../i18n/index.js";
import { field, h, select } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { fillLanguages, languageSelect } from "../ui/language_select.js";

const TYPING_MS = 180;
/** Names of the filters in the page's address, in the order of their fields. */
export const FILTERS = ["kind", "language", "from", "to"];

/** Calls `onSearch({text, kind, language, from, to})` when the user changes something. Returns {elements, wanted(),
 * search(), set(params), clear(), focus(), destroy()}. */
export function searchControls(server, onSearch) {
  const anyLanguage = ["", t("library.any_language")];
  let typing = 0;
  const later = () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MS);
  };
  const input = searchInput(later);
  const filters = {
    kind: select(
      [
        ["", t("library.any_kind")],
        ["live", t("nav.live")],
        ["job", t("nav.files")],
      ],
      "",
      () => search(),
    ),
    language: languageSelect(server, { first: anyLanguage, chosen: "", onchange: () => search() }),
    from: h("input", { type: "date", class: "input", onchange: () => search() }),
    to: h("input", { type: "date", class: "input", onchange: () => search() }),
  };

  function wanted() {
    const chosen = FILTERS.map((name) => [name, filters[name].value]);
    return { text: input.value.trim(), ...Object.fromEntries(chosen) };
  }

  function search() {
    clearTimeout(typing);
    return onSearch(wanted());
  }

  /** Fills the fields from the page's address. */
  function set(params) {
    input.value = params.get("query") ?? "";
    fillLanguages(filters.language, server, { first: anyLanguage, chosen: params.get("language") ?? "" });
    for (const name of FILTERS) filters[name].value = params.get(name) ?? "";
  }

  const drawLanguages = () =>
    fillLanguages(filters.language, server, { first: anyLanguage, chosen: filters.language.value });
  server.addEventListener("change", drawLanguages);

  return {
    elements: [
      h("div", { class: "search" }, input, icon("search")),
      h(
        "div",
        { class: "filters" },
        FILTERS.map((name) => field(t(`library.${name}`), filters[name])),
      ),
    ],
    wanted,
    search,
    set,
    clear: () => set(new URLSearchParams()),
    focus: () => input.focus({ preventScroll: true }),
    destroy: () => server.removeEventListener("change", drawLanguages),
  };
}

function searchInput(oninput) {
  return h("input", {
    type: "search",
    class: "input",
    placeholder: t("library.search"),
    "aria-label": t("library.search"),
    autocomplete: "off",
    spellcheck: "false",
    dir: "auto",
    oninput,
  });
}
