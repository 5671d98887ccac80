// The form that starts or joins a conversation.
import { t } from "../i18n/index.js";
import { address } from "../router.js";
import { field, h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { saveSettings, settings } from "../ui/settings.js";
import { newName } from "./names.js";

export const MOST_NAME_CHARS = "60";

/** An element; joining changes the page's address. */
export function joinForm() {
  const id = h("input", { class: "input", value: newName(), maxlength: "100", required: true, autocomplete: "off" });
  const name = h("input", {
    class: "input",
    value: settings.name,
    maxlength: MOST_NAME_CHARS,
    autocomplete: "nickname",
    placeholder: t("talk.your_name_hint"),
  });
  const join = (event) => {
    event.preventDefault();
    saveSettings({ name: name.value.trim() });
    if (id.value.trim()) location.hash = address("conversation", id.value.trim());
  };
  const submit = h("button", { class: "button main", type: "submit" }, icon("people"), t("talk.start"));
  return h(
    "div",
    { class: "page" },
    h("header", {}, h("h1", {}, t("talk.title")), h("p", {}, t("talk.intro"))),
    h(
      "form",
      { class: "join", onsubmit: join },
      field(t("talk.your_name"), name),
      field(t("talk.id"), id),
      h("div", { class: "row" }, submit),
    ),
  );
}
