"""Errors as OpenAI's clients expect them."""

import re
from typing import Any

_PATH = re.compile(r"(?:^|/)v1/(?:audio|models|realtime)(?:/|$)")
_CODES = {"unauthorized": "invalid_api_key", "forbidden": "insufficient_permissions"}


def is_openai_path(path: str) -> bool:
    """Return whether an address is one of OpenAI's API, whatever prefix a proxy adds."""
    return _PATH.search(path) is not None


def openai_error(status: int, code: str, message: str, param: str = "") -> dict[str, Any]:
    """Return the body of a refused request; ``code`` is OpenAI's own where it has one for this error."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    if status == 429:
        is_quota = code == "quota_exceeded"
        kind, code = ("insufficient_quota",) * 2 if is_quota else ("requests", "rate_limit_exceeded")
    elif (code, param) == ("not_found", "model"):
        code = "model_not_found"
    return {"error": {"message": message, "type": kind, "param": param or None, "code": _CODES.get(code, code)}}
