// Renaming of a stored transcript.
import { t } from "../i18n/index.js";
import { button, h } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { renameTranscript } from "./transcripts.js";

/** A heading with a transcript's title and a button that replaces it with a form. `renamed(title)`. */
export function renamable(id, title, renamed = () => {}) {
  let current = title;
  const heading = h("h1", { dir: "auto" }, title);
  const edit = button({
    name: "pen",
    text: t("action.rename"),
    kind: "small",
    onclick: () => {
      heading.replaceChildren(
        renameForm(id, current, (name) => {
          if (name !== current) renamed(name);
          current = name;
          heading.replaceChildren(name);
          edit.focus();
        }),
      );
    },
  });
  return { heading, edit };
}

/** A form in place of a title. `done(title)` is called once, with the new title or, if nothing changed, the old one. */
export function renameForm(id, before, done) {
  const name = h("input", {
    class: "input small",
    dir: "auto",
    value: before,
    "aria-label": t("library.name"),
    maxlength: "200",
  });
  const save = async (event) => {
    event.preventDefault();
    const title = name.value.trim();
    if (!title || title === before) return done(before);
    try {
      const renamed = await renameTranscript(id, title);
      toast(t("done.renamed"));
      return done(renamed);
    } catch (error) {
      return toast(error.message || t("files.unreachable"));
    }
  };
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    done(before);
  });
  setTimeout(() => name.select(), 0);
  return h(
    "form",
    { class: "rename", onsubmit: save },
    name,
    button({ text: t("action.save"), kind: "small main", onclick: save }),
  );
}
