// Rows of a conversation, in the colours of their speakers.
import { locale, t } from "../i18n/index.js";
import { h } from "../ui/dom.js";
import { voiceOf } from "./feed.js";

const SAME_SPEAKER_MS = 60_000;

/** A final utterance. Whoever speaks is named unless the one before is theirs too. */
export function utteranceRow(utterance, before, feed) {
  const colour = feed.colour(utterance);
  const who = h("div", { class: "who" });
  const isSame = before && voiceOf(before) === voiceOf(utterance);
  const continues = isSame && utterance.spoken_ms - before.spoken_ms < SAME_SPEAKER_MS;
  if (!continues) who.append(speakerName(utterance, colour), h("time", {}, timeOfDay(utterance.spoken_ms)));
  const lang = utterance.language || undefined;
  return h(
    "div",
    { class: "said" },
    who,
    h("p", { class: `of-${colour}`, lang, dir: "auto" }, h("span", {}, utterance.text)),
  );
}

/** What a speaker is saying. Returns {element, draw(message)}. */
export function speakingRow(first, feed) {
  const colour = feed.colour(first);
  const stable = h("span", {});
  const unstable = h("span", { class: "unstable" });
  const element = h(
    "div",
    { class: "said" },
    h("div", { class: "who" }, speakerName(first, colour)),
    h("p", { class: `of-${colour}`, dir: "auto" }, stable, unstable),
  );
  return {
    element,
    draw(message) {
      stable.textContent = message.stable;
      unstable.textContent = message.text.slice(message.stable.length);
    },
  };
}

function speakerName({ speaker, channel }, colour) {
  const names = [speaker, channel === undefined ? "" : t("result.channel", { n: channel })].filter(Boolean);
  return h("span", { class: `speaker of-${colour}`, dir: "auto" }, names.join(" · ") || t("talk.someone"));
}

function timeOfDay(ms) {
  return new Date(ms).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
}
