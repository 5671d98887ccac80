"""Routes ``/v1/stt/tenants``: an admin sees its own tenant, sets how long its transcripts are kept, and deletes it with
all that belongs to it."""

from typing import Any

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.requests.principal import Principal, Scope
from stt_gateway.core.requests.retention import retention_request
from stt_gateway.http.bodies import small_body
from stt_gateway.http.openapi import refusals
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_TENANT

router = APIRouter(prefix="/v1/stt/tenants", tags=["keys"])


@router.get("")
@needs(Scope.ADMIN)
async def list_tenants(request: Request) -> Response:
    """Return the tenants that this key may manage: its own."""
    context, admin = context_of(request), principal_of(request)
    return json_response({"tenants": [await _view(context, admin.tenant)]})


@router.get("/{name}")
@needs(Scope.ADMIN)
async def get_tenant(request: Request, name: str) -> Response:
    """Return a tenant, with how long its transcripts are kept."""
    _check_own(principal_of(request), name)
    return json_response(await _view(context_of(request), name))


@router.patch("/{name}", responses=refusals("too_large"))
@needs(Scope.ADMIN)
async def change_tenant(request: Request, name: str) -> Response:
    """Set how long its transcripts and conversations are kept: ``{"retention_days": 30}``; null as the server's.

    What is stored already expires by it within a minute or so.
    """
    context = context_of(request)
    _check_own(principal_of(request), name)
    days = retention_request(await small_body(request), context.settings.transcript_retention_days)
    await context.retentions.set(name, days)
    return json_response(await _view(context, name))


@router.delete("/{name}", status_code=202, responses=refusals("conflict"))
@needs(Scope.ADMIN)
async def delete_tenant(request: Request, name: str) -> Response:
    """Delete the tenant of this key for good: keys, transcripts, conversations, jobs, files, sessions, known speakers.

    Its keys end at once, this one included; the rest is deleted within a minute or so, whatever dies meanwhile.
    """
    context, admin = context_of(request), principal_of(request)
    _check_own(admin, name)
    if name == LOCAL_TENANT:
        raise SttError("conflict", f"the tenant {LOCAL_TENANT} has what is made without keys, and is always there")
    for key_id in await context.tenants.begin(name) or []:
        if context.keys is not None:
            await context.keys.watch.announce(key_id)
    return json_response({"tenant": name, "state": "deleting"}, status=202)


def _check_own(admin: Principal, name: str) -> None:
    if name != admin.tenant:
        # It would tell whether there is one.
        raise SttError("not_found", "no such tenant, or it is not that of your key")


async def _view(context: GatewayContext, tenant: str) -> dict[str, Any]:
    own = await context.retentions.of(tenant)
    return {
        "name": tenant,
        "retention_days": own.days,
        "server_retention_days": context.settings.transcript_retention_days,
    }
