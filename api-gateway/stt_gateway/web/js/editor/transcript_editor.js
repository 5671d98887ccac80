// Editing of a stored transcript by its reader: sentences, with undo and redo, find and replace.
import { t } from "../i18n/index.js";
import { button } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { editBar } from "./bar.js";
import { sentenceForm } from "./sentence_form.js";

/** `revisions`: Revisions of the transcript. `view()` returns the ResultText that shows it. Returns {toggle, bar,
 * onText(segment, place), onKey(event)}: a button, an element, and what ResultText and the page call. */
export function transcriptEditor(revisions, view) {
  const { transcript } = revisions;
  const report = (error) => toast(error.message || t("files.unreachable"));
  const attempt = async (action) => {
    try {
      await action();
      return true;
    } catch (error) {
      report(error);
      return false;
    }
  };
  const act = {
    edit: (change) => attempt(() => revisions.edit(change)),
    undo: () => attempt(() => revisions.undo()),
    redo: () => attempt(() => revisions.redo()),
    show: ({ segment, at, length }) => view().select(segment, at, length),
    nextUnsure() {
      const word = view().nextUnsure();
      if (word) openForm(word.segment, view().lineOf(word.segment), word);
      else toast(t("edit.no_unsure"));
    },
  };
  const bar = editBar(revisions, act);
  const toggle = button({
    name: "pen",
    text: t("edit.title"),
    kind: "small",
    "aria-pressed": "false",
    onclick: () => setOn(bar.element.hidden),
  });
  revisions.addEventListener("change", () => {
    view().draw(transcript);
    bar.draw();
  });

  function setOn(isOn) {
    bar.element.hidden = !isOn;
    toggle.setAttribute("aria-pressed", String(isOn));
    view().setEditing(isOn);
  }

  /** `chosen`: {at, length}, what is selected at first. */
  function openForm(segment, place, chosen = {}) {
    const { text } = transcript.segments[segment];
    const form = sentenceForm(text.trim(), {
      async save(written) {
        if (await act.edit({ texts: [{ segment, text: written }] })) view().focusLine(segment);
      },
      cancel() {
        form.element.replaceWith(place);
        view().focusLine(segment);
      },
    });
    place.replaceWith(form.element);
    form.select(chosen.at, chosen.length);
    form.element.scrollIntoView({ block: "nearest" });
  }

  return {
    toggle,
    bar: bar.element,
    onText: openForm,
    onKey(event) {
      const isUndo = (event.ctrlKey || event.metaKey) && !event.altKey && ["z", "y"].includes(event.key.toLowerCase());
      if (bar.element.hidden || !isUndo || event.target.closest?.("input, textarea")) return;
      event.preventDefault();
      if (event.shiftKey || event.key.toLowerCase() === "y") act.redo();
      else act.undo();
    },
  };
}
