// State of a conversation's viewer: each final utterance once, and what each speaker is saying. Pure.

export const COLOURS = 6;

export class Feed {
  /** Final utterances in order: {seq, session_id, utterance, speaker, text, language, spoken_ms}. */
  utterances = [];
  /** session_id -> {speaker, text, stable, utterance}; `text` begins with `stable`. */
  speaking = new Map();
  cursor = "";
  #newest = new Map(); // session_id -> newest final utterance
  #seen = new Set();
  #speakers = [];

  /** Applies a message; returns "following", "utterance", "unsettled" or null. */
  apply(message) {
    if (message.cursor) this.cursor = message.cursor;
    switch (message.type) {
      case "following":
        return "following";
      case "utterance":
        return this.#utterance(message);
      case "unsettled":
        // Ignore text that arrives after its own final utterance.
        if (message.utterance <= (this.#newest.get(message.session_id) ?? 0)) return null;
        if (message.text) this.speaking.set(message.session_id, message);
        else this.speaking.delete(message.session_id);
        return "unsettled";
      default:
        return null;
    }
  }

  /** A speaker's colour: 0 to COLOURS - 1, in order of appearance. */
  colour(speaker) {
    const name = speaker ?? "";
    if (!this.#speakers.includes(name)) this.#speakers.push(name);
    return this.#speakers.indexOf(name) % COLOURS;
  }

  #utterance(message) {
    const id = `${message.session_id} ${message.utterance} ${message.spoken_ms}`;
    if (this.#seen.has(id)) return null;
    this.#seen.add(id);
    this.#newest.set(message.session_id, message.utterance);
    this.speaking.delete(message.session_id);
    if (!message.text) return "unsettled";
    this.utterances.push(message);
    return "utterance";
  }
}

/** URL for following a conversation. */
export function viewerAddress(base, id, cursor) {
  const parameters = cursor ? { unsettled: "true", after: cursor } : { unsettled: "true", since_ms: 24 * 3600 * 1000 };
  return `${base}/v1/stt/conversations/${encodeURIComponent(id)}?${new URLSearchParams(parameters)}`;
}
