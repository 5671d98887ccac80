"""Errors as Deepgram's clients expect them, over HTTP and over a WebSocket."""

import re
from typing import Any

_PATH = re.compile(r"(?:^|/)v1/listen/?$")
_BAD_REQUEST = "Bad Request"
_CODES = {
    "bad_config": "INVALID_QUERY_PARAMETER",
    "unauthorized": "INVALID_AUTH",
    "forbidden": "INSUFFICIENT_PERMISSIONS",
    "bad_message": _BAD_REQUEST,
    "bad_audio": _BAD_REQUEST,
    "unsupported_media": _BAD_REQUEST,
    "fetch_failed": "REMOTE_CONTENT_ERROR",
    "too_large": "PAYLOAD_TOO_LARGE",
    "rate_limited": "TOO_MANY_REQUESTS",
    "at_capacity": "TOO_MANY_REQUESTS",
    "idle": "NET-0001",
}
_STATUSES = {422: 400}
"""Statuses that Deepgram does not have, and what it answers instead."""
_CLIENT_ERRORS = frozenset(
    {
        "bad_config", "unauthorized", "forbidden", "bad_message", "bad_audio", "unsupported_media", "too_large",
        "rate_limited", "at_capacity", "not_found", "conflict", "superseded", "forbidden_host", "forbidden_origin",
    }
)  # fmt: skip
"""Errors that close with 1008: the client must change something, or come later."""
_UNDECODABLE = frozenset({"bad_message", "bad_audio", "unsupported_media", "too_large"})


def is_deepgram_path(path: str) -> bool:
    """Return whether an address is one of Deepgram's API, whatever prefix a proxy adds."""
    return _PATH.search(path) is not None


def error_name(code: str) -> str:
    """Return Deepgram's name for an error of this suite, which is the suite's own in capitals if it has none."""
    return _CODES.get(code, code.upper())


def deepgram_error(code: str, message: str, request_id: str) -> dict[str, Any]:
    """Return the body of a refused request."""
    return {"err_code": error_name(code), "err_msg": message, "request_id": request_id}


def deepgram_status(status: int) -> int:
    """Return the status that Deepgram answers where this suite answers ``status``."""
    return _STATUSES.get(status, status)


def close_code(code: str) -> int:
    """Return the close code of a WebSocket after this error."""
    return 1008 if code in _CLIENT_ERRORS else 1011


def close_reason(code: str) -> str:
    """Return the reason in the close frame, by which clients tell errors of the same close code apart."""
    if code in _UNDECODABLE:
        return "DATA-0000"
    if close_code(code) == 1008:
        return error_name(code)
    return "NET-0001" if code == "idle" else "NET-0000"
