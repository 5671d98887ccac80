// The Library page: the list of stored transcripts, or the one that is open.
import { t } from "../i18n/index.js";
import { address, replace } from "../router.js";
import { h, isolated } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { Deletions, UNDO_MS } from "./deletions.js";
import { transcriptPanel } from "./panel.js";
import { ResultList } from "./results.js";
import { searchControls } from "./search_controls.js";
import { nameOf } from "./titles.js";
import { deleteTranscript } from "./transcripts.js";

export function create(app) {
  let listHref = null; // of the search that the list shows
  let listY = 0; // where the reader left the list
  const deletions = new Deletions({ remove: deleteTranscript, onFailed: deletionFailed });
  const results = new ResultList(app, deletions, {
    onDelete: remove,
    onReset() {
      controls.clear();
      controls.search();
      controls.focus();
    },
    onMissing: (isMissing) => overview.classList.toggle("missing", isMissing),
  });
  const controls = searchControls(app.server, (wanted) => {
    const { text, ...filters } = wanted;
    listHref = address("library", "", { query: text, ...filters });
    replace(listHref);
    return results.search(wanted);
  });
  const heading = h("header", {}, h("h1", {}, t("library.title")));
  const overview = h("div", { class: "page" }, heading, controls.elements, results.elements);
  const panel = transcriptPanel(app, (transcript) => remove(transcript, null));
  const element = h("section", { class: "library-page", "aria-label": t("nav.library") }, overview, panel.element);

  /** Deletes a transcript unless the user undoes it. `row`: its element in the list, or null. */
  function remove(transcript, row) {
    const next = row?.nextElementSibling?.querySelector("a");
    row?.remove();
    deletions.add(transcript.id);
    results.remove(transcript.id);
    if (next) next.focus({ preventScroll: true });
    else controls.focus();
    offerUndo(transcript, () => {
      deletions.undo(transcript.id);
      controls.search();
    });
  }

  /** Shows the list where the reader left it for the transcript `id`. */
  async function backToList(id) {
    await results.again(id);
    window.scrollTo(0, listY);
  }

  function deletionFailed(error) {
    toast(error.message || t("files.unreachable"));
    controls.search();
  }

  // Leaving the page before the undo period ends confirms the deletion.
  const confirmDeletions = () => deletions.finish();
  window.addEventListener("pagehide", confirmDeletions);
  return {
    element,
    show({ rest, params }) {
      const left = panel.id;
      if (rest && !overview.hidden) listY = window.scrollY;
      overview.hidden = Boolean(rest);
      if (rest) {
        window.scrollTo(0, 0);
        listHref ??= address("library", "", { query: params.get("query") });
        return panel.open(rest, listHref, params.get("query") ?? "");
      }
      panel.close();
      controls.set(params);
      return left && results.shows(controls.wanted()) ? backToList(left) : controls.search();
    },
    hide: () => panel.close(),
    destroy() {
      window.removeEventListener("pagehide", confirmDeletions);
      controls.destroy();
      confirmDeletions();
    },
  };
}

function offerUndo(transcript, onUndo) {
  const text = t("done.deleted", { name: isolated(nameOf(transcript)) });
  toast(text, { text: t("action.undo"), onclick: onUndo }, UNDO_MS - 200);
}
