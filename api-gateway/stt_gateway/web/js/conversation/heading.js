// The head of a conversation: its name, the state of the connection, and what can be done with it.
import { t } from "../i18n/index.js";
import { address } from "../router.js";
import { accessKey } from "../ui/access_key.js";
import { button, h } from "../ui/dom.js";
import { guest } from "../ui/guest.js";
import { icon } from "../ui/icons.js";
import { copyText, fileStem, saveText } from "../ui/save.js";
import { toast } from "../ui/toast.js";
import { askToInvite } from "./invite.js";
import { textOf } from "./text.js";

const STATES = { connecting: ["talk.connecting", ""], open: ["talk.connected", "good"], lost: ["talk.lost", "warn"] };

/** `captionButtons`: those of bigCaptions. Returns {element, draw()}. */
export function roomHeading(id, feed, viewer, captionButtons) {
  const state = h("p", { class: "chip" });
  const leave = h(
    "a",
    {
      class: "button small bare round to-hide",
      href: address("conversation"),
      "aria-label": t("talk.leave"),
      title: t("talk.leave"),
    },
    icon("back"),
  );
  // Where keys are needed, the address alone opens nothing for others.
  const share = accessKey.value
    ? button({ name: "link", text: t("invite.open"), kind: "small to-hide", onclick: () => askToInvite(id) })
    : button({
        name: "link",
        text: t("talk.share"),
        kind: "small to-hide",
        onclick: async () => toast((await copyText(location.href)) ? t("done.copied") : location.href),
      });
  const text = () => textOf(feed.utterances);
  const copy = button({
    name: "copy",
    label: t("action.copy"),
    kind: "small bare to-hide",
    onclick: async () => toast(t((await copyText(text())) ? "done.copied" : "done.not_copied")),
  });
  const save = button({
    name: "download",
    label: t("action.download"),
    kind: "small bare to-hide",
    onclick: () => saveText(`${fileStem(id)}.txt`, text()),
  });
  // Guests cannot leave, and have nothing to share.
  leave.hidden = share.hidden = guest() !== null;
  const element = h(
    "header",
    { class: "talk-head" },
    leave,
    h("h1", { dir: "auto" }, id),
    state,
    h("div", { class: "row" }, copy, save, share, captionButtons),
  );
  return {
    element,
    draw() {
      copy.disabled = save.disabled = feed.utterances.length === 0;
      state.hidden = viewer.state === "missing";
      if (state.hidden) return;
      const [text, kind] = STATES[viewer.state];
      state.textContent = t(text);
      state.className = `chip ${kind}`;
    },
  };
}
