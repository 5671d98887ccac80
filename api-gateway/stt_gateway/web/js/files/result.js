// A finished transcript: title, player if the audio is available, words highlighted during playback, downloads.
import { language, languageName, t } from "../i18n/index.js";
import { shortClock } from "../text/clock.js";
import { placedWords } from "../text/spacing.js";
import { plainText, srt, vtt } from "../text/subtitles.js";
import { button, h, menu } from "../ui/dom.js";
import { copyText, fileStem, saveText } from "../ui/save.js";
import { toast } from "../ui/toast.js";
import { indexAt } from "./peaks.js";
import { PlaybackFollowing } from "./playback_following.js";
import { createPlayer } from "./player.js";

const UNSURE = 0.4;

/** `transcript`: {name, language, duration, segments} as in a job's result, times in seconds; `name` may change.
 * `source`: the File, or null. `back`: {href, text}. `tools`: additional buttons. Returns {element, destroy()}. */
export function createResult({ transcript, source, back, tools = [], heading = null }) {
  const { segments } = transcript;
  const utterances = segments.map(toUtterance(transcript.language));
  const starts = [];
  const spans = [];
  let player = null;
  let now = null;

  const text = h(
    "div",
    { class: "transcript words" },
    segments.map((segment) => {
      const line = h("p", { lang: transcript.language || undefined, dir: "auto" });
      const whole = { word: segment.text, start: segment.start, confidence: 1 };
      const words = placedWords(segment.text, segment.words ?? []) ?? [{ word: whole, text: segment.text.trim() }];
      words.forEach(({ word, text: written, spaced }) => {
        const span = h("span", { class: word.confidence < UNSURE ? "unsure" : undefined }, written);
        span.dataset.start = word.start;
        starts.push(word.start);
        spans.push(span);
        if (spaced) line.append(" ");
        line.append(span);
      });
      const label = `${shortClock(segment.start * 1000)}`;
      const jump = h(
        "button",
        { type: "button", class: "jump", disabled: true, onclick: () => player?.seek(segment.start, true) },
        label,
      );
      return h("div", { class: "utterance" }, jump, line);
    }),
  );
  text.addEventListener("click", ({ target }) => {
    if (player && target.dataset.start && getSelection().isCollapsed) player.seek(Number(target.dataset.start), true);
  });

  const stage = h("div", { class: "player-stage" });
  const toNow = button({
    name: "down",
    text: t("player.to_now"),
    kind: "small main to-now",
    hidden: true,
    onclick: () => following.toNow(),
  });
  const following = new PlaybackFollowing({
    isPlaying: () => player?.isPlaying ?? false,
    onChange: (isOn) => (toNow.hidden = isOn),
  });
  function listen(file) {
    player?.destroy();
    player = createPlayer(file, transcript.duration, {
      onTime: mark,
      onHold: (isHeld) => following.hold(isHeld),
    });
    stage.replaceChildren(player.element);
    text.classList.add("can-jump");
    for (const jump of text.querySelectorAll(".jump")) jump.disabled = false;
  }
  function mark(seconds) {
    const index = indexAt(starts, seconds);
    const span = seconds > 0 ? spans[index] : null;
    if (span === now) return;
    now?.classList.remove("now");
    span?.classList.add("now");
    now = span ?? null;
    following.show(now);
  }

  if (source) listen(source);
  else {
    const chooser = h("input", {
      type: "file",
      hidden: true,
      accept: "audio/*,video/*",
      onchange: () => {
        if (chooser.files[0]) listen(chooser.files[0]);
      },
    });
    stage.append(
      h(
        "div",
        { class: "listen" },
        chooser,
        button({ name: "play", text: t("files.listen"), kind: "small", onclick: () => chooser.click() }),
      ),
    );
  }

  const save = (kind, content, type) => ({
    text: t(`format.${kind}`),
    // Use the current name; the transcript may have been renamed.
    onclick: () => saveText(`${fileStem(transcript.name)}.${kind}`, content(), type),
  });
  const facts = [
    languageName(transcript.language),
    shortClock(transcript.duration * 1000),
    t("result.words", { n: spans.length }),
  ].filter(Boolean);
  const element = h(
    "article",
    { class: "result" },
    h(
      "header",
      { class: "result-head" },
      h("a", { class: "button bare small", href: back.href }, "‹ ", back.text),
      heading ?? h("h1", { dir: "auto" }, transcript.name),
      h(
        "div",
        { class: "meta" },
        h("p", {}, facts.join(" · ")),
        h(
          "div",
          { class: "row" },
          tools,
          button({
            name: "copy",
            text: t("action.copy"),
            kind: "small",
            onclick: async () =>
              toast((await copyText(plainText(utterances))) ? t("done.copied") : t("done.not_copied")),
          }),
          menu(
            t("action.download"),
            "download",
            [
              save("txt", () => plainText(utterances)),
              save("srt", () => srt(utterances)),
              save("vtt", () => vtt(utterances), "text/vtt"),
              save(
                "json",
                () =>
                  JSON.stringify(
                    { name: transcript.name, language: transcript.language, duration: transcript.duration, segments },
                    null,
                    2,
                  ),
                "application/json",
              ),
            ],
            { kind: "small" },
          ),
        ),
      ),
    ),
    stage,
    segments.length ? text : h("p", { class: "quiet" }, t("files.no_words")),
    toNow,
  );
  element.lang = language();
  return {
    element,
    destroy() {
      player?.destroy();
      following.destroy();
    },
  };
}

/** Converts a segment (seconds) to the form of Transcript (milliseconds). */
export const toUtterance = (tongue) => (segment) => ({
  key: segment.id,
  startMs: segment.start * 1000,
  endMs: segment.end * 1000,
  text: segment.text.trim(),
  language: tongue,
  words: (segment.words ?? []).map((word) => ({
    word: word.word.trim(),
    startMs: word.start * 1000,
    endMs: word.end * 1000,
  })),
});
