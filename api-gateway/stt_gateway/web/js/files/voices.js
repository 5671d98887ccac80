// Names of those who speak in a transcript, as the page shows them. Pure.
import { t } from "../i18n/index.js";

const GENERIC = /^(Speaker|Channel) (\d+)$/;

/** Who speaks in a segment, as the server calls them: the speaker or else the channel; "" if neither is known. */
export const voiceOf = ({ speaker = "", channel = null }) => speaker || (channel === null ? "" : `Channel ${channel}`);

/** A voice in the user's language, unless somebody has named it. */
export function shownVoice(voice) {
  const [, kind, n] = voice.match(GENERIC) ?? [];
  if (!kind) return voice;
  return kind === "Speaker" ? t("result.speaker", { n }) : t("result.channel", { n });
}

/** The speaker of a segment among all `speakers` of the transcript, [{id, name}]; undefined if there is none. */
export const speakerOf = (segment, speakers) => speakers.find((one) => (one.name ?? one.id) === voiceOf(segment));

/** A speaker's name or, without one, its number, in the user's language. */
export const shownSpeaker = ({ id, name }) => name ?? shownVoice(id);

/** An id for a speaker who is not in `speakers` yet. */
export function newSpeakerId(speakers) {
  const numbers = speakers.map(({ id }) => Number(id.match(/^Speaker (\d+)$/)?.[1] ?? 0));
  return `Speaker ${Math.max(0, ...numbers) + 1}`;
}
