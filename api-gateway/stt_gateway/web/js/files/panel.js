// The result of a file: read, listen, rename.
import { t } from "../i18n/index.js";
import { renamable } from "../library/rename.js";
import { TRANSCRIPTS } from "../library/transcripts.js";
import { address } from "../router.js";
import { h, notice } from "../ui/dom.js";
import { icon } from "../ui/icons.js";
import { ResultPanel } from "./result_panel.js";
import { transport } from "./transport.js";

/** Returns {element, id, open(jobId), close()}. */
export function filePanel({ files, server }) {
  const panel = new ResultPanel();

  async function load(jobId) {
    const item = files.find(jobId);
    const job = item?.result ? { result: item.result, filename: item.name } : await transport.view(jobId);
    if (!job.result) {
      location.hash = address("files");
      return null;
    }
    const transcript = { ...job.result, name: item?.title || job.filename || jobId };
    const { heading, edit } = renamable(jobId, transcript.name, (title) => {
      transcript.name = title;
      files.rename(jobId, title);
    });
    // A title lives in the library; without one there is nothing to rename.
    const tools = (await server.has(TRANSCRIPTS)) ? [edit, libraryLink(jobId)] : [];
    const back = { href: address("files"), text: t("files.list") };
    return { transcript, source: item?.file ?? null, back, heading, tools };
  }

  return {
    element: panel.element,
    /** The id of the open job; null while closed. */
    get id() {
      return panel.id;
    },
    close: () => panel.close(),
    open(jobId) {
      if (panel.id !== jobId) panel.open(jobId, { load: () => load(jobId), failed: (error) => failedNotice(error, jobId) });
    },
  };
}

/** To the stored transcript, which has the same id. */
const libraryLink = (jobId) =>
  h("a", { class: "button small", href: address("library", jobId) }, icon("search"), t("files.in_library"));

function failedNotice(error, jobId) {
  const isGone = error.code === "not_found";
  return notice({
    kind: isGone ? "" : "bad",
    name: "info",
    title: isGone ? t("files.gone") : t("files.unreachable"),
    text: isGone ? t("files.gone.text") : error.message,
    actions: [
      isGone ? libraryLink(jobId) : null,
      h("a", { class: "button small", href: address("files") }, t("action.back")),
    ],
  });
}
