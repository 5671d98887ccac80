"""Bodies of refused requests, each in the form that the clients of its address expect: chosen here and nowhere else."""

from dataclasses import dataclass
from typing import Any

from stt_gateway.core.openai.errors import is_openai_path, openai_error


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused. ``param``: the field that is to blame, '' if there is none.

    ``retry_after_s``: seconds to wait before the same request may work; None if that is not known.
    """

    status: int
    code: str
    message: str
    param: str = ""
    is_retryable: bool = False
    retry_after_s: float | None = None


def native_body(refusal: Refusal) -> dict[str, Any]:
    """Return the body of this API's own form (docs/protocol.md)."""
    more = {} if refusal.retry_after_s is None else {"retry_after_s": refusal.retry_after_s}
    return {"error": {"code": refusal.code, "message": refusal.message, **more}}


def refusal_body(path: str, refusal: Refusal) -> dict[str, Any]:
    """Return the body for a request to ``path``."""
    if is_openai_path(path):
        return openai_error(refusal.status, refusal.code, refusal.message, refusal.param)
    return native_body(refusal)


def refusal_headers(path: str, refusal: Refusal) -> dict[str, str]:
    """Return the headers that the clients of ``path`` expect besides.

    OpenAI's clients repeat what is refused with certain statuses, such as 409, unless they are told not to.
    """
    if is_openai_path(path):
        return {"x-should-retry": "true" if refusal.is_retryable else "false"}
    return {}
