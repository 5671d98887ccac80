// Short notifications at the bottom of the page, with an optional action such as Undo.
import { h } from "./dom.js";

const STAYS_MS = 6000;

/** Shows a notification. `action`: {text, onclick}. Returns a function that removes it. */
export function toast(text, action = null, staysMs = STAYS_MS) {
  const note = h(
    "div",
    { class: "toast" },
    h("p", {}, text),
    action
      ? h(
          "button",
          {
            type: "button",
            onclick: () => {
              gone();
              action.onclick();
            },
          },
          action.text,
        )
      : null,
  );
  const timer = setTimeout(gone, staysMs);
  function gone() {
    clearTimeout(timer);
    note.remove();
  }
  document.getElementById("toasts").append(note);
  return gone;
}
