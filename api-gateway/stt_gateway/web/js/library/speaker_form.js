// A form in place of a speaker's name: another name, the same person as somebody, or another speaker for a passage.
import { shownSpeaker } from "../files/voices.js";
import { t } from "../i18n/index.js";
import { button, h, menu } from "../ui/dom.js";

/** `speaker`: {id, name}; `others`: those it may be merged with. `act`: {rename(name), merge(other), assign(other),
 * cancel()}; `name` may be empty, and `other` is null for somebody new. */
export function speakerForm(speaker, others, act) {
  const name = h("input", {
    class: "input small",
    dir: "auto",
    value: speaker.name ?? "",
    placeholder: shownSpeaker({ id: speaker.id, name: null }),
    "aria-label": t("speaker.name"),
    maxlength: "128",
    autocomplete: "off",
    spellcheck: "false",
  });
  const save = (event) => {
    event.preventDefault();
    act.rename(name.value.trim());
  };
  const people = (choose) => others.map((other) => ({ text: shownSpeaker(other), onclick: () => choose(other) }));
  const passage = [...people(act.assign), { text: t("speaker.new"), onclick: () => act.assign(null) }];
  const form = h(
    "form",
    { class: "speaker-form", "aria-label": `${t("speaker.change")}: ${shownSpeaker(speaker)}`, onsubmit: save },
    name,
    button({ text: t("action.save"), kind: "small main", onclick: save }),
    others.length ? menu(t("speaker.same"), "people", people(act.merge), { kind: "small" }) : null,
    menu(t("speaker.passage"), "pen", passage, { kind: "small" }),
    button({ text: t("action.cancel"), kind: "small bare", onclick: act.cancel }),
  );
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    act.cancel();
  });
  setTimeout(() => name.select(), 0);
  return form;
}
