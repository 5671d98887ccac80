"""Descriptions of responses for OpenAPI: what FastAPI cannot tell from routes that build theirs themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Path

from stt_gateway.core.deepgram.errors import deepgram_status
from stt_shared.contracts.errors import ERRORS

Responses = dict[int | str, dict[str, Any]]

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "description": "What was wrong and what is allowed."},
                "retry_after_s": {"type": "number", "description": "Seconds after which to try again."},
            },
        }
    },
}
_MEDIA_TYPES = {
    "txt": "text/plain",
    "json": "application/json",
    "diarized_json": "application/json",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "md": "text/markdown",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


_OPENAI_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "What was wrong and what is allowed."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The field that is to blame."},
                "code": {"type": "string"},
            },
        }
    },
}


_DEEPGRAM_ERROR = {
    "type": "object",
    "required": ["err_code", "err_msg", "request_id"],
    "properties": {
        "err_code": {"type": "string"},
        "err_msg": {"type": "string", "description": "What was wrong and what is allowed."},
        "request_id": {"type": "string"},
    },
}


def deepgram_refusals(*codes: str) -> Responses:
    """Return the responses with these error codes, and those of any request, with Deepgram's form and statuses."""
    found = refusals(*codes, *_ANYWHERE, schema=_DEEPGRAM_ERROR)
    return {**found, **{deepgram_status(int(status)): answer for status, answer in reversed(found.items())}}


def openai_refusals(*codes: str) -> Responses:
    """Return the responses with these error codes, and those of any request, in OpenAI's form."""
    return refusals(*codes, *_ANYWHERE, schema=_OPENAI_ERROR)


def refusals(*codes: str, schema: Mapping[str, Any] = _ERROR) -> Responses:
    """Return the responses with these error codes, by HTTP status, whose bodies have this ``schema``."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(ERRORS[code].http_status, []).append(code)
    return {
        status: {"description": f"Error {' or '.join(found)}.", "content": {"application/json": {"schema": schema}}}
        for status, found in by_status.items()
    }


def success(description: str, media_types: Iterable[str] = ("application/json",), status: int = 200) -> Responses:
    """Return the response to a request that succeeds."""
    return {status: {"description": description, "content": {media_type: {} for media_type in media_types}}}


def file_kinds(kinds: Iterable[str]) -> Responses:
    """Return the response that is a transcript in one of these formats."""
    return success("The transcript as a file.", dict.fromkeys(_MEDIA_TYPES[kind] for kind in kinds))


def one_of(kinds: Iterable[str]) -> Any:
    """Return the declaration of a path parameter that has one of these values, which the route itself checks."""
    return Path(json_schema_extra={"enum": list(kinds)})


_ANYWHERE = (
    "bad_message",
    "unauthorized",
    "forbidden",
    "forbidden_origin",
    "not_found",
    "method_not_allowed",
    "idle",
    "rate_limited",
    "quota_exceeded",
    "forbidden_host",
    "bad_config",
    "internal",
    "at_capacity",
    "unavailable",
)
EVERYWHERE = refusals(*_ANYWHERE)
"""Errors of any request."""
