// Address of the live path, and what opens or resumes a session there. Same rules as stt_client/address.py. Pure but for
// random ids.

/** @typedef {import("./progress.js").SessionProgress} SessionProgress */
/** @typedef {import("./progress.js").AnyEvent} AnyEvent */

const PATH = "/v1/stt/stream";
// Parameters that no log may hold; proxies log addresses.
const SECRETS = ["resume_token", "prompt", "keyterms", "replacements", "redact_patterns"];
/** @type {Record<string, string>} */
const SCHEMES = { "ws:": "ws:", "wss:": "wss:", "http:": "ws:", "https:": "wss:" };

/** The live path of a suite, given its address (http, https, ws, wss) or that path. Throws TypeError. @param {string} url */
export function liveUrl(url) {
  const parts = URL.canParse?.(url) === false ? null : new URL(url);
  const scheme = parts && SCHEMES[parts.protocol];
  if (!parts || !scheme || !parts.host || parts.search || parts.hash)
    throw new TypeError(`${JSON.stringify(url)} is not the address of a suite, such as ws://host:8000, without a query`);
  const path = parts.pathname.replace(/\/+$/, "");
  return `${scheme}//${parts.host}${path.endsWith(PATH) ? path : path + PATH}`;
}

/** What opens the session with this token, or resumes it after the events in `progress`: a URL, and the subprotocols to
 * offer, one of which carries what the URL must not. `startMs`: start of the audio that a server without the session would
 * get; null if that audio is gone.
 * @param {string} url @param {Record<string, string | number>} query @param {string} token
 * @param {SessionProgress} progress @param {number | null} startMs @returns {[string, string[]]} */
export function handshake(url, query, token, progress, startMs) {
  const settled = { committed_ms: progress.committedMs, finals: progress.committedFinals, start_ms: startMs };
  const all = { ...query, resume_token: token, last_event: progress.lastEvent, ...(startMs === null ? {} : settled) };
  const shown = new URLSearchParams();
  const secret = new URLSearchParams();
  for (const [name, value] of Object.entries(all)) (SECRETS.includes(name) ? secret : shown).set(name, String(value));
  const carried = btoa(`${secret}`).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [`${url}?${shown}`, ["stt", `query.${carried}`]];
}

/** Whether `ready` restarts the session's audio. A session that was rebuilt but whose `ready` was lost reports that it
 * was resumed, although it expects chunks from 1 while ours are numbered from the session's beginning.
 * @param {AnyEvent} ready @param {number} committedMs */
export function isRebuilt(ready, committedMs) {
  return ready.resumed !== true || ((ready.resume_from_seq ?? 0) === 0 && committedMs > 0);
}

/** An unguessable id (crypto.randomUUID is missing on insecure origins). */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
