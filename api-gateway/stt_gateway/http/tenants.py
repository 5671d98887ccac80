"""Route ``DELETE /v1/stt/tenants/{name}``: an admin deletes its own tenant, with all that belongs to it."""

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.http.openapi import refusals
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_TENANT

router = APIRouter(prefix="/v1/stt/tenants", tags=["keys"])


@router.delete("/{name}", status_code=202, responses=refusals("conflict"))
@needs(Scope.ADMIN)
async def delete_tenant(request: Request, name: str) -> Response:
    """Delete the tenant of this key for good: keys, transcripts, conversations, jobs, files, sessions, known speakers.

    Its keys end at once, this one included; the rest is deleted within a minute or so, whatever dies meanwhile.
    """
    context, admin = context_of(request), principal_of(request)
    if name != admin.tenant:
        # It would tell whether there is one.
        raise SttError("not_found", "no such tenant, or it is not that of your key")
    if name == LOCAL_TENANT:
        raise SttError("conflict", f"the tenant {LOCAL_TENANT} has what is made without keys, and is always there")
    for key_id in await context.tenants.begin(name) or []:
        if context.keys is not None:
            await context.keys.watch.announce(key_id)
    return json_response({"tenant": name, "state": "deleting"}, status=202)
