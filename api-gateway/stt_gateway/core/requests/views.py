"""What is shown of keys and their usage, over HTTP and by commands. Pure."""

from collections.abc import Iterable
from typing import Any

from stt_gateway.core.requests.api_key import ApiKey
from stt_gateway.core.requests.key_request import sorted_scopes
from stt_gateway.core.requests.usage import Usage
from stt_shared.contracts.events import iso_timestamp


def key_view(key: ApiKey) -> dict[str, Any]:
    """Return what is shown of a key: all but its secret."""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted_scopes(key.scopes),
        "quotas": key.quotas.given,
        "created_at": iso_timestamp(key.created_ms),
        "expires_at": _time(key.expires_ms),
        "revoked_at": _time(key.revoked_ms),
        "last_used_at": _time(key.last_used_ms),
    }


def usage_view(usage: Usage) -> dict[str, Any]:
    """Return what is shown of a day of a key."""
    return {
        "day": usage.day,
        "key_id": usage.key_id,
        "key_name": usage.name,
        "requests": usage.requests,
        "streams": usage.streams,
        "files": usage.files,
        "upload_bytes": usage.upload_bytes,
        "audio_seconds": usage.audio_ms / 1000,
        "speech_seconds": usage.speech_ms / 1000,
        "silence_seconds": usage.silence_ms / 1000,
    }


def stored_views(stored: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Return what is shown of the number of stored transcripts, from (id, name, number) of each key."""
    return [{"key_id": id, "key_name": name, "transcripts": count} for id, name, count in stored]


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso_timestamp(at_ms)
