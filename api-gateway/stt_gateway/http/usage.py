"""Route ``GET /v1/stt/usage``: what was done with the keys of a tenant, by day."""

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.usage import USAGE_PARAMETERS, day_of, usage_request
from stt_gateway.core.requests.views import stored_views, usage_view
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
    stored = stored_views(await store.stored(principal.tenant, key_id))
    return json_response({"from": first, "to": last, "usage": [usage_view(one) for one in found], "stored": stored})
