// The dialog that asks who somebody is, on a server that wants to know: a key, or a sign-in where people sign in.
import { t } from "../i18n/index.js";
import { accessKey } from "./access_key.js";
import { button, field, h, newDomId } from "./dom.js";
import { guest } from "./guest.js";
import { readHealth } from "./health.js";
import { findIssuer, IssuerSignIn } from "./issuer.js";

let isOpen = false;

/** Asks until the server accepts a key or a sign-in, unless the dialog is open already; then calls `onSignedIn`. */
export async function askWhoItIs(onSignedIn) {
  if (isOpen) return;
  isOpen = true;
  const { where, isAway } = await findIssuer();
  const title = h("h2", { id: newDomId("sign-in") }, t(guest() ? "invite.ended" : where ? "sign_in.title" : "key.title"));
  const done = () => {
    isOpen = false;
    issuer?.close();
    dialog.close();
    dialog.remove();
    onSignedIn();
  };
  const keys = keyForm(done, where ? "" : "main");
  const issuer = where ? issuerPart(where, done) : null;
  const parts = issuer
    ? [issuer.element, h("details", {}, h("summary", {}, t("sign_in.with_key")), keys)]
    : [h("p", {}, explanation()), isAway ? h("p", {}, t("sign_in.away")) : null, keys];
  // Nothing works behind it, so it cannot be dismissed.
  const dialog = h(
    "dialog",
    { class: "dialog sign-in", "aria-labelledby": title.id, oncancel: (event) => event.preventDefault() },
    h("div", { class: "parts" }, title, parts),
  );
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("button.main, input").focus();
  if (!issuer) keys.querySelector("input").focus();
}

function explanation() {
  return t(guest() ? "invite.ended.text" : accessKey.value ? "key.ended" : "key.text");
}

/** {element, close} of the part that signs somebody in at the issuer. */
function issuerPart(where, done) {
  const problem = h("p", { class: "wrong", role: "alert" });
  const go = button({ text: t("key.sign_in"), kind: "main", onclick: () => issuer.open() });
  const issuer = new IssuerSignIn(where, (code) => {
    if (!code) return done();
    problem.textContent = t(code === "unreachable" ? "problem.unreachable" : `sign_in.${code}`);
    go.disabled = code === "insecure";
  });
  const text = t(guest() ? "invite.ended.text" : accessKey.signIn ? "sign_in.ended" : "sign_in.text");
  issuer.prepare();
  return { element: h("div", { class: "parts" }, h("p", {}, text), problem, go), close: () => issuer.close() };
}

/** A form for a key; `kind`: of its button. */
function keyForm(done, kind) {
  const input = h("input", {
    class: "input",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    dir: "ltr",
  });
  const problem = h("p", { class: "wrong", role: "alert" });
  const submit = button({ text: t("key.sign_in"), kind, type: "submit" });

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
    done();
  }

  return h("form", { onsubmit }, field(t("key.label"), input), problem, submit);
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
