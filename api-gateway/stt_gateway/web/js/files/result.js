// A finished transcript: title, player if the audio is available, words highlighted during playback, downloads.
import { has, language, t } from "../i18n/index.js";
import { button, h, notice } from "../ui/dom.js";
import { jumpButton } from "../ui/following.js";
import { PlaybackFollowing } from "./playback_following.js";
import { Player } from "./player.js";
import { resultHeading } from "./result_heading.js";
import { ResultText } from "./result_text.js";
import { unrecognizedPlaces, warningTexts } from "./warnings.js";

/** `transcript`: a job's result, or a stored transcript, with a `name`, which may change. `source`: the File, or null.
 * `back`: {href, text}. `heading`: an h1. `tools`: additional buttons. `onVoice(segment, place)`: the user wants to
 * change who speaks; null: they cannot. `editor(view)` returns a transcriptEditor; null: the text cannot be edited.
 * `documents`: additional entries of the download menu. `hits`: places to show at first, see ResultText.
 * Returns {element, reveal(), redraw(segment), destroy()}; `reveal`, on the page, shows the hits; `redraw` shows the transcript's segments again and gives the focus to
 * the name in the segment. */
export function createResult({ transcript, source, back, heading, tools, onVoice = null, editor = null, documents = [], hits = [] }) {
  let player = null;
  const editing = editor?.(() => text);
  const onSeek = (seconds) => player?.seek(seconds, true);
  const text = new ResultText(transcript, { onSeek, onVoice, onText: editing?.onText ?? null });
  const listeners = new AbortController();
  if (editing) document.addEventListener("keydown", editing.onKey, { signal: listeners.signal });
  const toWord = jumpButton(t("player.to_now"), () => following.toNow());
  const following = new PlaybackFollowing({
    isPlaying: () => player?.isPlaying ?? false,
    onChange: (isOn) => (toWord.hidden = isOn),
  });
  const stage = h("div", { class: "player-stage" }, recordingChooser(play));

  function play(file) {
    player?.destroy();
    player = new Player(file, transcript.duration, {
      onTime: (seconds) => text.mark(seconds) && following.show(text.current),
      onHold: (isHeld) => following.hold(isHeld),
    });
    stage.replaceChildren(player.element);
    text.allowSeeking();
  }

  if (source) play(source);
  const element = h(
    "article",
    { class: "result", lang: language() },
    resultHeading({ transcript, wordCount: text.wordCount, back, heading, tools: [editing?.toggle, ...tools], documents }),
    failureNotice(transcript),
    warningNotice(transcript),
    unrecognizedNotice(transcript),
    stage,
    text.hasUnsure ? h("p", { class: "quiet legend" }, t("result.unsure")) : null,
    text.element,
    editing?.bar,
    toWord,
  );
  return {
    element,
    reveal: () => text.showHits(hits),
    redraw(segment) {
      text.draw(transcript);
      text.focusVoice(segment);
    },
    destroy() {
      CSS.highlights?.delete("hit");
      player?.destroy();
      following.destroy();
      listeners.abort();
    },
  };
}

/** Why there is no text, or only some of it; job results have no `state`, since only completed jobs have one. */
function failureNotice({ state = "completed", error }) {
  if (state === "completed" || state === "processing") return null;
  const known = error && has(`problem.${error.code}`) ? t(`problem.${error.code}`) : error?.message;
  return notice({ kind: "bad", name: "warn", title: t(`files.${state}`), text: known });
}

function warningNotice({ warnings }) {
  const text = warningTexts(warnings);
  return text.length ? notice({ kind: "warn", name: "warn", title: t("files.warned"), text }) : null;
}

function unrecognizedNotice({ unrecognized }) {
  const places = unrecognizedPlaces(unrecognized);
  const text = t("result.unrecognized_at", { places });
  return places ? notice({ kind: "warn", name: "warn", title: t("result.unrecognized"), text }) : null;
}

/** Lets the user choose the recording, which the server does not keep. `onFile(file)`. */
function recordingChooser(onFile) {
  const chooser = h("input", {
    type: "file",
    hidden: true,
    accept: "audio/*,video/*",
    onchange: () => {
      if (chooser.files[0]) onFile(chooser.files[0]);
    },
  });
  const choose = button({ name: "play", text: t("files.listen"), kind: "small", onclick: () => chooser.click() });
  return h("div", { class: "listen" }, chooser, choose);
}
