// The question what to do when somebody else has changed a transcript in the meantime.
import { t } from "../i18n/index.js";
import { button, h, newDomId } from "../ui/dom.js";

/** Resolves to whether the reader's own change is to be made in the changed transcript; Escape means not. */
export function askOnConflict() {
  return new Promise((resolve) => {
    const title = h("h2", { id: newDomId("conflict") }, t("edit.conflict"));
    const close = (answer) => () => dialog.close(answer);
    const dialog = h(
      "dialog",
      {
        class: "dialog",
        "aria-labelledby": title.id,
        onclose: () => {
          dialog.remove();
          resolve(dialog.returnValue === "mine");
        },
      },
      h(
        "div",
        { class: "parts" },
        title,
        h("p", {}, t("edit.conflict.text")),
        h(
          "div",
          { class: "row" },
          button({ text: t("edit.conflict.mine"), kind: "main", onclick: close("mine") }),
          button({ text: t("edit.conflict.theirs"), onclick: close("theirs") }),
        ),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
