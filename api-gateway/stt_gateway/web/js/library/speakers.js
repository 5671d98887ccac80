// Who speaks in a stored transcript, as its reader corrects it: names, one person for two, a passage by somebody else.
import { newSpeakerId, shownSpeaker, speakerOf } from "../files/voices.js";
import { t } from "../i18n/index.js";
import { isolated } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { speakerForm } from "./speaker_form.js";

/** Returns a function that shows a form for the speaker of a segment in `place`, the element with the name.
 * `revisions`: Revisions of the transcript; `changed(segment)` is called after each change, and when the form is closed
 * without one. */
export function speakerEditing(revisions, changed) {
  const { transcript } = revisions;

  async function attempt(segment, action, done, undo) {
    try {
      if (!(await action())) return;
    } catch (error) {
      toast(error.message || t("files.unreachable"));
      return;
    }
    changed(segment);
    toast(done, undo);
  }

  const undone = (segment) => () => attempt(segment, () => revisions.undo(), t("done.undone"), null);
  const edit = (segment, change, done) =>
    attempt(segment, () => revisions.edit(change), done, { text: t("action.undo"), onclick: undone(segment) });

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
        edit(segment, { merge: { [speaker.id]: other.id } }, t("done.merged", { name: named(other) }));
      },
      assign(other) {
        const given = other ?? { id: newSpeakerId(speakers), name: null };
        const assign = [{ start, end, channel, speaker: given.id }];
        edit(segment, { assign }, t("done.assigned", { name: named(given) }));
      },
    });
    place.replaceWith(form);
  };
}
