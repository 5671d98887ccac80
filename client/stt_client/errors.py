"""How a session ends, and which endings another attempt may mend."""

import re

CLOSE_CODES = {
    1009: "too_large",
    4408: "idle",
    4429: "at_capacity",
    4430: "no_worker",
    4431: "unavailable",
    4432: "internal",
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
}
"""The error that a close code stands for, where no `error` event came before it."""

FINAL_CLOSE_CODES = frozenset({1002, 1003, 1007, 1008, 1009, 1010})
"""Below 4000: what this side sends is not accepted, and it would send the same again."""
RETRYABLE_STATUS = frozenset({408, 425, 429})
"""Besides 5xx: refused handshakes that may be accepted later."""
_SECONDS = re.compile("[0-9]{1,9}")


class SessionError(Exception):
    """The session is over, and connecting again would not help (or did not, for as long as was allowed).

    ``code``: one of the server's error codes, or `unreachable` (no answer for too long), `refused` (an HTTP answer that
    is no stream), `closed` (a close code without a reason), `no_answer` (`done` stayed away), `over` (used after its
    end). ``retry_after_s``: in how many seconds the server wishes to be asked again, where it said so.
    """

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class ConnectionLost(Exception):
    """This connection is over; another may go on with the session. ``code``, ``message`` and ``retry_after_s`` as of
    SessionError."""

    def __init__(self, code: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


def close_error(code: int | None, reason: str) -> ConnectionLost | SessionError:
    """What a closed connection means that gave no `error` event. ``code`` None: no close frame came."""
    if code is None:
        return ConnectionLost("unreachable", "the connection was cut")
    told = f"the server closed the connection with {code} {reason}".rstrip()
    if code in FINAL_CLOSE_CODES or 4500 <= code <= 4999:
        return SessionError(CLOSE_CODES.get(code, "closed"), told)
    return ConnectionLost(CLOSE_CODES.get(code, "unreachable"), told)


def status_error(status: int, message: str, retry_after: str = "") -> ConnectionLost | SessionError:
    """What a handshake means that was answered with another status than 101. ``retry_after``: the header of that name,
    of which only seconds are understood, not dates."""
    told = message or f"the server refused the stream with status {status}"
    if status >= 500 or status in RETRYABLE_STATUS:
        return ConnectionLost("unreachable", told, int(retry_after) if _SECONDS.fullmatch(retry_after) else None)
    return SessionError("refused", told)
