// The dialog that asks for a key, on a server that wants one.
import { t } from "../i18n/index.js";
import { accessKey } from "./access_key.js";
import { button, field, h, newDomId } from "./dom.js";
import { guest } from "./guest.js";
import { readHealth } from "./health.js";

let isOpen = false;

/** Asks until the server accepts a key, unless the dialog is open already; then calls `onSignedIn`. */
export function askForKey(onSignedIn) {
  if (isOpen) return;
  isOpen = true;
  const title = h("h2", { id: newDomId("sign-in") }, t(guest() ? "invite.ended" : "key.title"));
  const input = h("input", {
    class: "input",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    dir: "ltr",
  });
  const problem = h("p", { class: "wrong", role: "alert" });
  const submit = button({ text: t("key.sign_in"), kind: "main", type: "submit" });
  const form = h(
    "form",
    { onsubmit },
    title,
    h("p", {}, t(guest() ? "invite.ended.text" : accessKey.value ? "key.ended" : "key.text")),
    field(t("key.label"), input),
    problem,
    submit,
  );
  // Nothing works behind it, so it cannot be dismissed.
  const dialog = h("dialog", { class: "dialog sign-in", "aria-labelledby": title.id, oncancel: (e) => e.preventDefault() }, form);

  async function onsubmit(event) {
    event.preventDefault();
    submit.disabled = true;
    problem.textContent = "";
    const key = input.value.trim();
    const wrong = await refusal(key);
    submit.disabled = false;
    if (wrong) {
      problem.textContent = wrong;
      input.select();
      return;
    }
    accessKey.keep(key);
    isOpen = false;
    dialog.close();
    dialog.remove();
    onSignedIn();
  }

  document.body.append(dialog);
  dialog.showModal();
  input.focus();
}

/** Why the server does not accept a key; "" if it does. */
async function refusal(key) {
  let answer;
  try {
    answer = await fetch("health", { headers: accessKey.headers(key), cache: "no-store" });
  } catch (error) {
    // A key with characters that no header can carry is refused by the browser itself, with the same error.
    if (!(error instanceof TypeError)) throw error;
    return /^[\x21-\x7e]+$/.test(key) ? t("problem.unreachable") : t("key.wrong");
  }
  if (answer.status === 429) return t("key.wait");
  return readHealth(await answer.json()).isAnonymous ? t("key.wrong") : "";
}
