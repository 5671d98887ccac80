// Helpers that create elements in one call.
import { t } from "../i18n/index.js";
import { icon } from "./icons.js";
import { MOST_KEYTERMS_CHARS, MOST_PROMPT_CHARS } from "./settings.js";

/** Creates an element: h("p", {class: "x", onclick: f, hidden: true}, "text", child, null). */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && (typeof value === "boolean" || name === "value")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A button with an icon and text; without text, `label` is its accessible name. */
export function button({ name, text, label, kind = "", onclick, ...more }) {
  const classes = ["button", kind, text ? "" : "round"].filter(Boolean).join(" ");
  return h(
    "button",
    {
      type: "button",
      class: classes,
      "aria-label": text ? undefined : label,
      title: text ? undefined : label,
      onclick,
      ...more,
    },
    name ? icon(name) : null,
    text ?? null,
  );
}

/** A name inside a sentence, isolated from the sentence's text direction: <bdi> for plain text. */
export const isolated = (text) => `\u2068${text}\u2069`;

let ids = 0;
export const newDomId = (stem) => `${stem}-${(ids += 1)}`;

/** A form field with its label. */
export function field(label, input, attributes = {}) {
  input.id ||= newDomId("field");
  return h("div", { class: "field", ...attributes }, h("label", { for: input.id }, label), input);
}

/** `options`: [[value, text]]; `onchange(value)`. */
export function select(options, value, onchange, attributes = {}) {
  const element = h("select", { class: "input", onchange: () => onchange(element.value), ...attributes });
  fillSelect(element, options, value);
  return element;
}

/** Replaces the options of a select element, and chooses one. */
export function fillSelect(element, options, value) {
  element.replaceChildren(...options.map(([id, text]) => h("option", { value: id }, text)));
  element.value = value;
}

/** Input for names and terms that are expected in the speech, one per line. */
export function keytermsField(value, onchange) {
  const input = h("textarea", {
    class: "input",
    rows: "3",
    value,
    maxlength: String(MOST_KEYTERMS_CHARS),
    placeholder: t("live.keyterms_hint"),
    dir: "auto",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => onchange(input.value),
  });
  return field(t("live.keyterms"), input);
}

/** Input for text that says what the speech is about. */
export function promptField(value, onchange) {
  const input = h("input", {
    class: "input",
    value,
    maxlength: String(MOST_PROMPT_CHARS),
    placeholder: t("live.prompt_hint"),
    dir: "auto",
    autocomplete: "off",
    spellcheck: "false",
    oninput: () => onchange(input.value.trim()),
  });
  return field(t("live.prompt"), input);
}

export function toggle(label, checked, onchange) {
  const input = h("input", { type: "checkbox", role: "switch", checked, onchange: () => onchange(input.checked) });
  return h("label", { class: "check" }, input, h("span", {}, label));
}

/** A notice that states a problem (`text`: a paragraph or several) and what to do about it (`steps`, `actions`). */
export function notice({ kind = "", name = "info", title, text, steps, actions, role }) {
  return h(
    "div",
    { class: `notice ${kind}`, role },
    icon(name),
    h(
      "div",
      {},
      h("h2", {}, title),
      (text ? [text].flat() : []).map((paragraph) => h("p", {}, paragraph)),
      steps?.length
        ? h(
            "ol",
            {},
            steps.map((step) => h("li", {}, step)),
          )
        : null,
      actions?.length ? h("div", { class: "row" }, actions) : null,
    ),
  );
}

/** A menu of actions: [{name, text, onclick}]. Escape or a click elsewhere closes it. */
export function menu(label, iconName, entries, { kind = "", up = false } = {}) {
  const summary = h("summary", { class: `button ${kind}` }, icon(iconName), h("span", {}, label));
  const close = () => {
    details.open = false;
  };
  const items = entries.map((entry) =>
    h(
      "button",
      {
        type: "button",
        onclick: () => {
          close();
          summary.focus();
          entry.onclick();
        },
      },
      entry.name ? icon(entry.name) : null,
      entry.text,
    ),
  );
  const details = h("details", { class: up ? "menu up" : "menu" }, summary, h("div", {}, items));
  details.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && details.open) {
      close();
      summary.focus();
      event.stopPropagation();
    }
  });
  document.addEventListener("click", (event) => {
    if (!details.contains(event.target)) close();
  });
  return details;
}
