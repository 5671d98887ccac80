// State of a conversation's viewer: each final utterance once, and what each speaker is saying. Pure.

export const COLOURS = 6;

export class Feed {
  /** Final utterances in order: {seq, session_id, utterance, speaker, channel, text, language, spoken_ms}. */
  utterances = [];
  /** What is being said on each channel: {speaker, channel, text, stable, utterance}; `text` begins with `stable`. */
  speaking = new Map();
  cursor = "";
  #newest = new Map(); // session_id -> newest final utterance
  #seen = new Set();
  #speakers = [];

  /** Applies a message; returns "following", "utterance", "speakers", "unsettled" or null. */
  apply(message) {
    if (message.cursor) this.cursor = message.cursor;
    switch (message.type) {
      case "following":
        return "following";
      case "utterance":
        return this.#utterance(message);
      case "speakers_revised":
        return this.#revise(message);
      case "unsettled":
        // Ignore text that arrives after its own final utterance.
        if (message.utterance <= (this.#newest.get(message.session_id) ?? 0)) return null;
        if (message.text) this.speaking.set(placeOf(message), message);
        else this.speaking.delete(placeOf(message));
        return "unsettled";
      default:
        return null;
    }
  }

  /** The colour of who says a message: 0 to COLOURS - 1, in order of appearance. */
  colour(message) {
    const name = voiceOf(message);
    if (!this.#speakers.includes(name)) this.#speakers.push(name);
    return this.#speakers.indexOf(name) % COLOURS;
  }

  #revise({ session_id: session, utterances }) {
    const revised = new Map(utterances.map(({ utterance, speaker }) => [utterance, speaker]));
    // From the newest on: an earlier session may have had the same id and its own numbers.
    for (const said of this.utterances.toReversed())
      if (said.session_id === session && revised.has(said.utterance)) {
        said.speaker = revised.get(said.utterance);
        revised.delete(said.utterance);
      }
    return "speakers";
  }

  #utterance(message) {
    const id = `${message.session_id} ${message.utterance} ${message.spoken_ms}`;
    if (this.#seen.has(id)) return null;
    this.#seen.add(id);
    this.#newest.set(message.session_id, message.utterance);
    this.speaking.delete(placeOf(message));
    if (!message.text) return "unsettled";
    this.utterances.push(message);
    return "utterance";
  }
}

/** Who says a message, as far as it is known: two channels of a session are two voices. */
export const voiceOf = ({ speaker, channel }) => (channel === undefined ? (speaker ?? "") : `${speaker ?? ""} ${channel}`);

const placeOf = ({ session_id: session, channel }) => (channel === undefined ? session : `${session} ${channel}`);

/** URL for following a conversation. */
export function viewerAddress(base, id, cursor) {
  const parameters = cursor ? { unsettled: "true", after: cursor } : { unsettled: "true", since_ms: 24 * 3600 * 1000 };
  return `${base}/v1/stt/conversations/${encodeURIComponent(id)}?${new URLSearchParams(parameters)}`;
}
