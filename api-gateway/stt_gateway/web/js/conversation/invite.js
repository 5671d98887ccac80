// The dialog that makes an invitation to a conversation and copies its link.
import { t } from "../i18n/index.js";
import { address } from "../router.js";
import { accessKey } from "../ui/access_key.js";
import { button, field, h, newDomId, select } from "../ui/dom.js";
import { copyText } from "../ui/save.js";

const HOUR_S = 3600;
const LIFETIMES = [
  [String(HOUR_S), "invite.hour"],
  [String(24 * HOUR_S), "invite.day"],
  [String(7 * 24 * HOUR_S), "invite.week"],
];

/** `id`: of the conversation. */
export function askToInvite(id) {
  const title = h("h2", { id: newDomId("invite") }, t("invite.title"));
  const rights = [
    ["read", t("invite.read")],
    ["speak", t("invite.speak")],
  ];
  const may = select(rights, "read", hideLink);
  const lasts = select(
    LIFETIMES.map(([seconds, text]) => [seconds, t(text)]),
    String(24 * HOUR_S),
    hideLink,
  );
  const link = h("input", { class: "input", readonly: true, dir: "ltr", onfocus: () => link.select() });
  const linkField = field(t("invite.link"), link, { hidden: true });
  const problem = h("p", { class: "wrong", role: "alert" });
  const done = h("p", { role: "status" });
  const submit = button({ name: "link", text: t("invite.copy"), kind: "main", type: "submit" });
  const form = h(
    "form",
    { onsubmit },
    title,
    h("p", {}, t("invite.text")),
    field(t("invite.may"), may),
    field(t("invite.lasts"), lasts),
    linkField,
    problem,
    done,
    h("div", { class: "row" }, submit, button({ text: t("action.close"), onclick: () => dialog.close() })),
  );
  const dialog = h("dialog", { class: "dialog", "aria-labelledby": title.id, onclose: () => dialog.remove() }, form);

  // It is not what is chosen now.
  function hideLink() {
    linkField.hidden = true;
    done.textContent = problem.textContent = "";
  }

  async function onsubmit(event) {
    event.preventDefault();
    hideLink();
    submit.disabled = true;
    const made = await invitation({ conversation_id: id, speak: may.value === "speak", expires_in: Number(lasts.value) });
    submit.disabled = false;
    if (made.problem) {
      problem.textContent = made.problem;
      return;
    }
    link.value = new URL(address("conversation", id, { invitation: made.text }), location.href).href;
    linkField.hidden = false;
    done.textContent = t((await copyText(link.value)) ? "done.copied" : "done.not_copied");
    link.focus();
  }

  document.body.append(dialog);
  dialog.showModal();
  may.focus();
}

/** {text} of a new invitation, or {problem}. */
async function invitation(wanted) {
  let answer;
  try {
    answer = await fetch("v1/stt/invitations", {
      method: "POST",
      headers: { ...accessKey.headers(), "Content-Type": "application/json" },
      body: JSON.stringify(wanted),
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { problem: t("problem.unreachable") };
  }
  if (answer.status === 201) return { text: (await answer.json()).invitation };
  return { problem: t(answer.status === 403 && wanted.speak ? "invite.not_speak" : "invite.failed") };
}
