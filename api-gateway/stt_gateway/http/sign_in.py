"""Routes ``/v1/stt/sign-in``, with which a page signs somebody in at the issuer (AUTH=oidc)."""

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import public
from stt_gateway.context import context_of
from stt_gateway.core.requests.addresses import client_network
from stt_gateway.core.requests.sign_in_request import CodeRequest, sign_in_request
from stt_gateway.http.bodies import small_body
from stt_gateway.http.openapi import refusals
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError

router = APIRouter(prefix="/v1/stt", tags=["keys"])


@router.get("/sign-in")
@public
async def where_to_sign_in(request: Request) -> Response:
    """Return where people sign in: the issuer, its page for that, the client's id and the scope to ask for.

    ``{"issuer": null}`` where nobody does.
    """
    service = context_of(request).sign_in
    return json_response({"issuer": None} if service is None else await service.where())


@router.post("/sign-in", responses=refusals("too_large", "conflict"))
@public
async def sign_in(request: Request) -> Response:
    """Exchange the code that the issuer gave a browser, or a refresh token, for a token that is used like a key.

    ``{"code": "…", "code_verifier": "…", "redirect_uri": "https://…", "nonce": "…"}`` or ``{"refresh_token": "…"}``.
    """
    service = context_of(request).sign_in
    if service is None:
        raise SttError("conflict", "nobody signs in on this server; people would with AUTH=oidc")
    wanted = sign_in_request(await small_body(request))
    client = client_network(request.client.host) if request.client else ""
    exchange = service.with_code(wanted, client) if isinstance(wanted, CodeRequest) else service.renewed(wanted, client)
    signed_in = await exchange
    return json_response(
        {
            "token": signed_in.token,
            "token_type": "Bearer",
            "expires_in": signed_in.expires_s,
            "refresh_token": signed_in.refresh_token,
            "name": signed_in.name,
        }
    )
