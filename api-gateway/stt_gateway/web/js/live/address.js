// Addresses of the live path, and what the codes that a connection ends with mean for us. Pure.

export const STREAM_PATH = "/v1/stt/stream";

/** `page`: an object like `location`. */
export function socketBase(page) {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}`;
}

/** Where the session with this token is opened or resumed. `heard`: what we have of it. `startMs`: where the audio
 * begins that a server would get which does not have it; null when that audio is not here any more. */
export function sessionAddress(base, query, token, heard, startMs) {
  const wishes = { ...query, resume_token: token, last_event: heard.lastEvent };
  if (startMs !== null)
    Object.assign(wishes, { committed_ms: heard.committedMs, finals: heard.settledFinals, start_ms: startMs });
  return `${base}${STREAM_PATH}?${new URLSearchParams(wishes)}`;
}

/** Whether `ready` begins the session's audio anew. A session that was rebuilt, but whose `ready` was lost, says that it
 * was resumed: its chunks would begin at 1 where ours, counted from the session's begin, do not. */
export function beginsAnew(ready, committedMs) {
  return ready.resumed !== true || ((ready.resume_from_seq ?? 0) === 0 && committedMs > 0);
}

/** Whether connecting again may help. */
export function mayRetry(closeCode) {
  return (
    closeCode === 1005 ||
    closeCode === 1006 ||
    (closeCode >= 1011 && closeCode <= 1015) ||
    (closeCode >= 4000 && closeCode < 4500)
  );
}
