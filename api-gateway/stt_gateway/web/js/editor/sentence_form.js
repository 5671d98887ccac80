// A form in place of a sentence: its text, to be corrected.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";

/** `act`: {save(text), cancel()}; the form stays until it is removed, for another attempt to save. Enter saves, Escape
 * cancels. Returns {element, select(at, length)}. */
export function sentenceForm(text, act) {
  const input = h("textarea", { class: "input", dir: "auto", value: text, rows: "1", "aria-label": t("edit.sentence") });
  const fit = () => {
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight + 2}px`;
  };
  const save = (event) => {
    event.preventDefault();
    const written = input.value.trim().replace(/\s+/g, " ");
    if (written === text.trim()) act.cancel();
    else act.save(written);
  };
  input.addEventListener("input", fit);
  const element = h(
    "form",
    { class: "sentence-form", onsubmit: save },
    input,
    h(
      "div",
      { class: "row" },
      button({ text: t("action.save"), kind: "small main", onclick: save }),
      button({ text: t("action.cancel"), kind: "small bare", onclick: act.cancel }),
    ),
  );
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape") act.cancel();
    else if (event.key === "Enter" && event.target === input && !event.isComposing) save(event);
    else return;
    event.stopPropagation();
  });
  return {
    element,
    select(at = text.length, length = 0) {
      fit();
      input.focus({ preventScroll: true });
      input.setSelectionRange(at, at + length);
    },
  };
}
