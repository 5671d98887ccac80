"""Route ``GET /v1/stt/usage``: what was done with the keys of a tenant, by day."""

from typing import Any

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.usage import USAGE_PARAMETERS, Usage, day_of, usage_request
from stt_gateway.http.openapi import success
from stt_gateway.http.responses import json_response
from stt_shared.process.clock import wall_ms

router = APIRouter(prefix="/v1/stt", tags=["keys"])


@router.get(
    "/usage",
    openapi_extra={"parameters": USAGE_PARAMETERS.openapi_query()},
    responses=success("Usage by key and day, newest first."),
)
@needs(*Scope)
async def get_usage(request: Request) -> Response:
    """Return the usage of each day, and what is stored.

    With the scope ``admin`` of all keys of the tenant, else of the key that asks.
    """
    principal = principal_of(request)
    first, last = usage_request(query_of(request), day_of(wall_ms()))
    key_id = None if Scope.ADMIN in principal.scopes else principal.key_id
    store = context_of(request).usage
    found = await store.of(principal.tenant, key_id, first, last)
    stored = [
        {"key_id": id, "key_name": name, "transcripts": count}
        for id, name, count in await store.stored(principal.tenant, key_id)
    ]
    return json_response({"from": first, "to": last, "usage": [usage_view(one) for one in found], "stored": stored})


def usage_view(usage: Usage) -> dict[str, Any]:
    """Return what is shown of a day."""
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
