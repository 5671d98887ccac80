// A transcript in the library's list.
import { languageName, t } from "../i18n/index.js";
import { address } from "../router.js";
import { shortClock } from "../text/clock.js";
import { button, h } from "../ui/dom.js";
import { renameForm } from "./rename.js";
import { highlighted } from "./search.js";
import { isUnnamed, minute, nameOf } from "./titles.js";

/** `text`: the words searched for. `onDelete(row)`; `onRename(name)`: it has a new name. */
export function transcriptRow(one, text, { onDelete, onRename }) {
  const title = h(
    "div",
    { class: "title", dir: "auto" },
    h("a", { href: address("library", one.id, { query: text }) }, markedName(one)),
  );
  const element = h(
    "li",
    { class: "item" },
    h("div", {}, title, facts(one)),
    h(
      "div",
      { class: "row" },
      rowButton("pen", "action.rename", one, () => title.replaceChildren(renameForm(one.id, nameOf(one), replace))),
      rowButton("trash", "action.delete", one, () => onDelete(element)),
    ),
    one.snippet ? h("p", { class: "snippet", dir: "auto" }, marked(one.snippet.text, one.snippet.hits)) : null,
  );

  function replace(name) {
    const isNew = name !== nameOf(one);
    if (isNew) onRename(name);
    const renamed = isNew ? { ...one, title: name, title_hits: [] } : one;
    const row = transcriptRow(renamed, text, { onDelete, onRename });
    element.replaceWith(row);
    row.querySelector("button").focus();
  }

  return element;
}

function markedName(one) {
  if (isUnnamed(one)) return nameOf(one);
  return marked(nameOf(one), one.title ? one.title_hits : one.filename_hits);
}

function facts(one) {
  const texts = [
    isUnnamed(one) ? "" : minute(one.created_at),
    one.duration ? shortClock(one.duration * 1000) : "",
    languageName(one.language),
    one.state === "completed" ? "" : t(`files.${one.state}`, { p: 0 }),
  ];
  // A renamed transcript is still found by its file name; then that is shown too.
  const hasOtherName = one.title && one.filename && one.filename !== one.title;
  return h(
    "div",
    { class: "about" },
    texts.filter(Boolean).map((text) => h("span", {}, text)),
    hasOtherName ? h("span", {}, marked(one.filename, one.filename_hits)) : null,
    (one.speaker_hits ?? []).map((name) => h("span", { dir: "auto" }, marked(name.text, name.hits))),
  );
}

function rowButton(name, action, one, onclick) {
  return button({ name, label: `${t(action)}: ${nameOf(one)}`, kind: "bare small", onclick });
}

function marked(text, hits) {
  return highlighted(text, hits).map((part) => (part.isHit ? h("mark", {}, part.text) : part.text));
}
