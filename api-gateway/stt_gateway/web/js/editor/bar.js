// What can be done with the text of a transcript while it is edited: undo, find and replace, the next unsure word.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { matches, replaced } from "./find.js";

/** `revisions`: Revisions. `act`: {edit(change), undo(), redo(), nextUnsure(), show(match)}. Returns {element, draw()};
 * to be drawn again when the transcript has changed. */
export function editBar(revisions, act) {
  const { transcript } = revisions;
  const undo = button({ name: "undo", label: t("action.undo"), kind: "small bare", onclick: act.undo });
  const redo = button({ name: "redo", label: t("edit.redo"), kind: "small bare", onclick: act.redo });
  const unsure = button({ text: t("edit.next_unsure"), kind: "small", onclick: act.nextUnsure });
  const wanted = textField("edit.find", () => {
    at = -1;
    draw();
  });
  const replacement = textField("edit.replacement", () => {});
  const count = h("span", { class: "quiet", role: "status" });
  const next = button({ text: t("edit.next"), kind: "small", onclick: showNext });
  const all = button({ text: t("edit.replace_all"), kind: "small", onclick: replaceAll });
  let at = -1;

  const found = () => matches(transcript.segments, wanted.value);

  function showNext() {
    const places = found();
    if (!places.length) return;
    at = (at + 1) % places.length;
    act.show(places[at]);
    draw();
  }

  function replaceAll() {
    const texts = replaced(transcript.segments, wanted.value, replacement.value);
    if (texts.length) act.edit({ texts });
  }

  function draw() {
    const n = wanted.value ? found().length : 0;
    undo.disabled = !revisions.canUndo;
    redo.disabled = !revisions.canRedo;
    next.disabled = all.disabled = n === 0;
    count.textContent = wanted.value ? t("edit.count", { n }) : "";
  }

  wanted.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    showNext();
  });
  draw();
  const element = h(
    "div",
    { class: "edit-bar", role: "group", "aria-label": t("edit.title"), hidden: true },
    h("div", { class: "row" }, undo, redo, unsure),
    h("div", { class: "row" }, wanted, next, replacement, all, count),
  );
  return { element, draw };
}

function textField(key, oninput) {
  return h("input", {
    class: "input small",
    dir: "auto",
    placeholder: t(key),
    "aria-label": t(key),
    autocomplete: "off",
    spellcheck: "false",
    oninput,
  });
}
