// Offers to restore text that a closed tab left unsaved.
import { locale, t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { toast } from "../ui/toast.js";

/** `onRestore(entry)`. Returns {element, refresh()}. */
export function unsavedOffer(unsaved, onRestore) {
  const list = h("ul", {});
  const element = h(
    "section",
    { class: "unsaved-texts", "aria-label": t("unsaved.title"), hidden: true },
    list,
    h("p", { class: "quiet" }, t("unsaved.where")),
  );

  async function refresh() {
    const entries = await unsaved.leftBehind();
    list.replaceChildren(...entries.map(row));
    element.hidden = entries.length === 0;
  }

  function row(entry) {
    const when = new Date(entry.startedAt).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
    const title = t("unsaved.of", { when });
    const discard = () => {
      const putBack = unsaved.discard(entry);
      refresh();
      document.getElementById("main").focus({ preventScroll: true });
      toast(t("unsaved.discarded"), {
        text: t("action.undo"),
        onclick: () => {
          putBack();
          refresh();
        },
      });
    };
    return h(
      "li",
      {},
      h("p", {}, h("strong", {}, title), h("span", { class: "quiet", dir: "auto" }, entry.utterances[0].text)),
      h(
        "div",
        { class: "row" },
        button({
          text: t("unsaved.restore"),
          kind: "small main",
          "aria-label": `${t("unsaved.restore")}: ${title}`,
          onclick: () => onRestore(entry),
        }),
        button({
          text: t("unsaved.discard"),
          kind: "small",
          "aria-label": `${t("unsaved.discard")}: ${title}`,
          onclick: discard,
        }),
      ),
    );
  }

  refresh();
  return { element, refresh };
}
