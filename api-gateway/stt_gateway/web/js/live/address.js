// URLs of the live endpoint, and the meaning of WebSocket close codes. Pure.

export const STREAM_PATH = "/v1/stt/stream";
const SECRETS = ["resume_token", "prompt", "keyterms", "replacements"];

/** Address of the server's WebSockets, without a slash at its end. `page`: the page's address, which may lie below a path
 * that a proxy has added. */
export function socketBase(page) {
  return new URL(".", page).href.replace(/^http/, "ws").replace(/\/$/, "");
}

/** URL that opens or resumes the session with this token. `progress`: the events received so far. `startMs`: start of the
 * audio that a server without the session would get; null if that audio is gone. */
export function sessionAddress(base, query, token, progress, startMs) {
  const parameters = { ...query, resume_token: token, last_event: progress.lastEvent };
  if (startMs !== null)
    Object.assign(parameters, {
      committed_ms: progress.committedMs,
      finals: progress.committedFinals,
      start_ms: startMs,
    });
  return `${base}${STREAM_PATH}?${new URLSearchParams(parameters)}`;
}

/** URL and subprotocols that open the socket at `address`: what no log may hold leaves the URL, which proxies log. `more`:
 * other subprotocols. */
export function handshake(address, more = []) {
  const url = new URL(address);
  const secrets = new URLSearchParams();
  for (const name of SECRETS) {
    if (url.searchParams.has(name)) secrets.set(name, url.searchParams.get(name));
    url.searchParams.delete(name);
  }
  const base64url = btoa(secrets).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return [url.href, ["stt", `query.${base64url}`, ...more]];
}

/** Whether `ready` restarts the session's audio. A session that was rebuilt but whose `ready` was lost reports that it
 * was resumed, although it expects chunks from 1 while ours are numbered from the session's beginning. */
export function isRebuilt(ready, committedMs) {
  return ready.resumed !== true || ((ready.resume_from_seq ?? 0) === 0 && committedMs > 0);
}

/** Whether reconnecting may help. */
export function mayRetry(closeCode) {
  return (
    closeCode === 1005 ||
    closeCode === 1006 ||
    (closeCode >= 1011 && closeCode <= 1015) ||
    (closeCode >= 4000 && closeCode < 4500)
  );
}
