// Offers to restore text that a closed tab left unsaved.
import { locale, t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { toast } from "../ui/toast.js";

/** `onRestore(draft)`. Returns {element, refresh()}. */
export function draftOffer(drafts, onRestore) {
  const list = h("ul", {});
  const element = h(
    "section",
    { class: "drafts", "aria-label": t("draft.title"), hidden: true },
    list,
    h("p", { class: "quiet" }, t("draft.where")),
  );

  async function refresh() {
    const left = await drafts.left();
    list.replaceChildren(...left.map(row));
    element.hidden = left.length === 0;
  }

  function row(draft) {
    const when = new Date(draft.startedAt).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
    const title = t("draft.of", { when });
    const discard = () => {
      const putBack = drafts.discard(draft);
      refresh();
      document.getElementById("main").focus({ preventScroll: true });
      toast(t("draft.discarded"), {
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
      h("p", {}, h("strong", {}, title), h("span", { class: "quiet", dir: "auto" }, draft.utterances[0].text)),
      h(
        "div",
        { class: "row" },
        button({
          text: t("draft.restore"),
          kind: "small main",
          "aria-label": `${t("draft.restore")}: ${title}`,
          onclick: () => onRestore(draft),
        }),
        button({
          text: t("draft.discard"),
          kind: "small",
          "aria-label": `${t("draft.discard")}: ${title}`,
          onclick: discard,
        }),
      ),
    );
  }

  refresh();
  return { element, refresh };
}
