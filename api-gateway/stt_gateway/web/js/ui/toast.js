// Short notes at the foot of the page, with an action that can be taken back.
import { h } from "./dom.js";

const STAYS_MS = 6000;

/** `action`: {text, onclick}. Answers a function that takes the note away. */
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
