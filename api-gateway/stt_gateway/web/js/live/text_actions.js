// What the user can do with the Live text: copy, save and clear it.
import { t } from "../i18n/index.js";
import { plainText } from "../text/subtitles.js";
import { turnsOf } from "../text/turns.js";
import { copyText, saveText } from "../ui/save.js";
import { toast } from "../ui/toast.js";

export class TextActions {
  /** `onChange()`: the text was cleared or restored. */
  constructor({ recording, transcript, keeper }, onChange) {
    Object.assign(this, { recording, transcript, keeper, onChange });
  }

  async copy() {
    const isCopied = await copyText(plainText(this.#turns));
    if (isCopied) this.keeper.mark(false);
    toast(t(isCopied ? "done.copied" : "done.not_copied"));
  }

  /** Saves a file; `format(utterances)` returns its content. */
  save(extension, format) {
    saveText(`${t("live.filename")} ${stamp(new Date())}.${extension}`, format(this.#turns));
    this.keeper.mark(false);
  }

  clear() {
    const { recording, transcript, keeper } = this;
    const wasUnsaved = keeper.isUnsaved;
    const putBack = transcript.clear(recording.isOn);
    if (!recording.isOn) recording.offsetMs = 0;
    this.#changed(false);
    toast(t("done.cleared"), {
      text: t("action.undo"),
      onclick: () => {
        putBack();
        recording.offsetMs = Math.max(recording.offsetMs, transcript.endMs);
        this.#changed(wasUnsaved || keeper.isUnsaved);
      },
    });
  }

  get #turns() {
    return this.transcript.utterances.flatMap(turnsOf);
  }

  #changed(isUnsaved) {
    this.keeper.mark(isUnsaved);
    this.onChange();
  }
}

/** "2026-11-29 15.04". */
function stamp(date) {
  const two = (n) => String(n).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}.${two(date.getMinutes())}`;
}
