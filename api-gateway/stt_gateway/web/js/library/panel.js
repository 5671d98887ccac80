// A stored transcript: read, edit, rename, say who speaks, delete.
import { askOnConflict } from "../editor/conflict.js";
import { Revisions } from "../editor/revisions.js";
import { transcriptEditor } from "../editor/transcript_editor.js";
import { ResultPanel } from "../files/result_panel.js";
import { t } from "../i18n/index.js";
import { button } from "../ui/dom.js";
import { documentEntries } from "./documents.js";
import { hitsIn } from "./hits.js";
import { transcriptFailed } from "./notices.js";
import { renamable } from "./rename.js";
import { speakerEditing } from "./speakers.js";
import { nameOf } from "./titles.js";
import { editTranscript, fetchTranscript } from "./transcripts.js";

/** `onDelete(transcript)`. Returns {element, id, open(id, listHref, query), close()}. */
export function transcriptPanel({ files }, onDelete) {
  const panel = new ResultPanel();

  async function load(id, back, query) {
    const found = await fetchTranscript(id);
    const transcript = { ...found, name: nameOf(found), segments: found.segments ?? [] };
    const revisions = new Revisions(transcript, {
      save: (edit) => editTranscript(id, edit),
      load: () => fetchTranscript(id),
      onConflict: askOnConflict,
    });
    const onVoice = speakerEditing(revisions, (segment) => panel.redraw(segment));
    const documents = documentEntries(transcript);
    const hits = hitsIn(transcript.segments, query);
    const editor = (view) => transcriptEditor(revisions, view);
    const { heading, edit } = renamable(id, transcript.name, (title) => {
      found.title = transcript.name = title;
      files.rename(id, title);
      revisions.refresh();
    });
    const remove = button({
      name: "trash",
      text: t("action.delete"),
      kind: "small",
      onclick: () => {
        location.hash = back.href;
        onDelete(found);
      },
    });
    return { transcript, source: files.find(id)?.file ?? null, back, tools: [edit, remove], heading, onVoice, editor, documents, hits };
  }

  return {
    element: panel.element,
    close: () => panel.close(),
    /** The id of the open transcript; null while closed. */
    get id() {
      return panel.id;
    },
    /** `listHref`: the address of the list to return to; `query`: the words to show. */
    open(id, listHref, query) {
      const back = { href: listHref, text: t("nav.library") };
      return panel.open(id, { load: () => load(id, back, query), failed: (error) => transcriptFailed(error, back.href) });
    },
  };
}
