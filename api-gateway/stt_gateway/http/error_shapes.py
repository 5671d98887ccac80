"""Bodies of refused requests, each in the form that the clients of its address expect: chosen here and nowhere else."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from stt_gateway.core.deepgram.errors import deepgram_error, deepgram_status, is_deepgram_path
from stt_gateway.core.openai.errors import is_openai_path, openai_error


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused. ``param``: the field that is to blame, '' if there is none.

    ``retry_after_s``: seconds to wait before the same request may work; None if that is not known. ``request_id``: name
    of the request.
    """

    status: int
    code: str
    message: str
    param: str = ""
    is_retryable: bool = False
    retry_after_s: float | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


def native_body(refusal: Refusal) -> dict[str, Any]:
    """Return the body of this API's own form (docs/protocol.md)."""
    more = {} if refusal.retry_after_s is None else {"retry_after_s": refusal.retry_after_s}
    return {"error": {"code": refusal.code, "message": refusal.message, **more}}


def refusal_body(path: str, refusal: Refusal) -> dict[str, Any]:
    """Return the body for a request to ``path``."""
    if is_openai_path(path):
        return openai_error(refusal.status, refusal.code, refusal.message, refusal.param)
    if is_deepgram_path(path):
        return deepgram_error(refusal.code, refusal.message, refusal.request_id)
    return native_body(refusal)


def refusal_headers(path: str, refusal: Refusal) -> dict[str, str]:
    """Return the headers that the clients of ``path`` expect besides.

    OpenAI's clients repeat what is refused with certain statuses, such as 409, unless they are told not to.
    """
    if is_openai_path(path):
        return {"x-should-retry": "true" if refusal.is_retryable else "false"}
    if is_deepgram_path(path):
        return {"dg-request-id": refusal.request_id}
    return {}


def refusal_status(path: str, refusal: Refusal) -> int:
    """Return the status that the clients of ``path`` expect."""
    return deepgram_status(refusal.status) if is_deepgram_path(path) else refusal.status
