"""Errors that end a session or a connection, and whether another attempt may help."""

import re

CLOSE_CODES = {
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
    4510: "unauthorized",
    4511: "forbidden",
    4512: "quota_exceeded",
    4513: "fetch_failed",
    4509: "superseded",
}
"""Error code for each close code, used when no `error` event came before it."""

FINAL_CLOSE_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Close codes below 4000 that end the session: the server does not accept what this side sends and would send again."""
RETRYABLE_STATUS = frozenset({408, 425, 429})
"""HTTP status codes besides 5xx of refused handshakes that may be accepted later."""
_SECONDS = re.compile("[0-9]{1,9}")


class SessionError(Exception):
    """The session is over, and reconnecting would not help (or did not help for as long as allowed).

    ``code``: one of the server's error codes, or `unreachable` (no answer for too long), `refused` (an HTTP response
    instead of a stream), `closed` (a close code that stands for no error), `no_answer` (`done` did not come), `over`
    (used after its end). ``retry_after_s``: seconds after which the server asks to retry, None if it did not say.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class ConnectionLost(Exception):
    """The connection is over; another one may resume the session.

    ``code``, ``message`` and ``retry_after_s`` are those of SessionError.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def close_error(code: int | None, reason: str) -> ConnectionLost | SessionError:
    """Return the error for a connection closed without an `error` event. ``code`` None: no close frame came."""
    if code is None:
        return ConnectionLost("unreachable", "the connection was cut")
    text = f"the server closed the connection with {code} {reason}".rstrip()
    if code in FINAL_CLOSE_CODES or 4500 <= code <= 4999:
        return SessionError(CLOSE_CODES.get(code, "closed"), text)
    return ConnectionLost(CLOSE_CODES.get(code, "unreachable"), text)


def status_error(status: int, message: str, retry_after: str = "") -> ConnectionLost | SessionError:
    """Return the error for a handshake that was answered with a status other than 101.

    ``retry_after``: the Retry-After header, of which only seconds are supported, not dates.
    """
    text = message or f"the server refused the stream with status {status}"
    if status >= 500 or status in RETRYABLE_STATUS:
        return ConnectionLost("unreachable", text, int(retry_after) if _SECONDS.fullmatch(retry_after) else None)
    return SessionError("refused", text)
