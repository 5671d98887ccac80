// Errors that end a session or a connection, and whether another attempt may help. Same rules as stt_client/errors.py.

/** @type {Record<number, string>} Error code for each close code, used when no `error` event came before it. */
export const CLOSE_CODES = {
  1009: "too_large",
  4408: "idle",
  4429: "at_capacity",
  4430: "no_worker",
  4431: "unavailable",
  4432: "internal",
  4433: "rate_limited",
  4500: "bad_message",
  4501: "bad_audio",
  4502: "bad_config",
  4503: "unsupported_media",
  4504: "not_found",
  4505: "method_not_allowed",
  4506: "conflict",
  4507: "forbidden_host",
  4508: "forbidden_origin",
  4509: "superseded",
  4510: "unauthorized",
  4511: "forbidden",
  4512: "quota_exceeded",
  4513: "fetch_failed",
};
// Close codes below 4000 that end the session: the server does not accept what this side sends and would send again.
const FINAL = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

/** The session is over, and reconnecting would not help, or did not help for as long as allowed. */
export class SessionError extends Error {
  /** `code`: one of the server's error codes, or `unreachable` (no answer for too long), `refused` (what answers is no
   * such server), `closed` (a close code that stands for no error), `no_answer` (`done` did not come), `over` (used after
   * its end). `retryAfterS`: seconds after which the server asks to retry, null if it did not say.
   * @param {string} code @param {string} message @param {number | null} [retryAfterS] @param {{cause?: unknown}} [options] */
  constructor(code, message, retryAfterS = null, options) {
    super(message, options);
    this.name = "SessionError";
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** What a close without an `error` event means: {code, message, mayRetry}.
 * @param {number} closeCode @param {string} [reason] */
export function closeError(closeCode, reason = "") {
  const isFinal = FINAL.has(closeCode) || (closeCode >= 4500 && closeCode <= 4999);
  const message =
    closeCode === 1006
      ? "the connection was cut"
      : `the server closed the connection with ${closeCode} ${reason}`.trimEnd();
  return { code: CLOSE_CODES[closeCode] ?? (isFinal ? "closed" : "unreachable"), message, mayRetry: !isFinal };
}
