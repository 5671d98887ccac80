// Who speaks in a stored transcript, as its reader corrects it: names, one person for two, a passage by somebody else.
import { newSpeakerId, shownSpeaker, speakerOf } from "../files/voices.js";
import { t } from "../i18n/index.js";
import { isolated } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { speakerForm } from "./speaker_form.js";
import { editTranscript, fetchTranscript } from "./transcripts.js";

/** Returns a function that shows a form for the speaker of a segment in `place`, the element with the name.
 * `transcript` gets the segments and speakers as they are after it; `changed(segment)` is called then, and when the
 * form is closed without a change. */
export function speakerEditing(transcript, changed) {
  /** `undo`: the edit that takes this one back. */
  async function edit(segment, change, done, undo) {
    try {
      await editTranscript(transcript.id, change);
      const { segments, speakers } = await fetchTranscript(transcript.id);
      Object.assign(transcript, { segments, speakers });
    } catch (error) {
      toast(error.message || t("files.unreachable"));
      return;
    }
    changed(segment);
    toast(done, undo ? { text: t("action.undo"), onclick: () => edit(segment, undo, t("done.undone")) } : null);
  }

  return (segment, place) => {
    const { speakers } = transcript;
    const speaker = speakerOf(segment, speakers);
    const others = speakers.filter((one) => one !== speaker);
    const { start, end, channel = null } = segment;
    const named = (one) => isolated(shownSpeaker(one));
    const form = speakerForm(speaker, others, {
      cancel: () => changed(segment),
      rename(name) {
        if (name === (speaker.name ?? "")) return changed(segment);
        const taken = others.find((one) => shownSpeaker(one) === name);
        if (taken) return toast(t("speaker.taken", { name: named(taken) }));
        return edit(segment, { speakers: { [speaker.id]: name || null } }, t("done.renamed"));
      },
      merge(other) {
        const back = { merge: { [speaker.id]: null }, speakers: { [speaker.id]: speaker.name } };
        edit(segment, { merge: { [speaker.id]: other.id } }, t("done.merged", { name: named(other) }), back);
      },
      assign(other) {
        const given = other ?? { id: newSpeakerId(speakers), name: null };
        const by = (id) => ({ assign: [{ start, end, channel, speaker: id }] });
        edit(segment, by(given.id), t("done.assigned", { name: named(given) }), by(speaker.id));
      },
    });
    place.replaceWith(form);
  };
}
