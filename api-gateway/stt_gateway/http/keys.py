"""Routes ``/v1/stt/keys``, with which admins manage the keys of their tenant, and what a key makes for others:
``POST /v1/stt/tokens`` and ``/v1/stt/invitations``."""

from typing import Any

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of
from stt_gateway.core.requests.api_key import ApiKey, WrittenKey, is_key_id
from stt_gateway.core.requests.key_request import (
    invitation_request,
    key_request,
    overlap_request,
    token_request,
)
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.views import key_view
from stt_gateway.http.bodies import small_body
from stt_gateway.http.openapi import refusals
from stt_gateway.http.responses import json_response
from stt_gateway.keys.administration import KeyAdministration
from stt_gateway.keys.making import no_such_key
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.events import iso_timestamp

router = APIRouter(prefix="/v1/stt", tags=["keys"])


@router.get("/keys")
@needs(Scope.ADMIN)
async def list_keys(request: Request) -> Response:
    """Return all keys of the tenant, without their secrets; revoked ones too."""
    found = await _administration(request).all_of(principal_of(request))
    return json_response({"keys": [key_view(key) for key in found]})


@router.post("/keys", status_code=201, responses=refusals("too_large", "conflict"))
@needs(Scope.ADMIN)
async def create_key(request: Request) -> Response:
    """Make a key: ``{"name": "…", "scopes": ["stream"], "expires_in_days": 90, "quotas": {"streams": 4}}``.

    Its secret is shown only here.
    """
    admin = principal_of(request)
    wanted = key_request(await small_body(request), admin)
    return json_response(_with_secret(*await _administration(request).create(admin, wanted)), status=201)


@router.delete("/keys/{id}", status_code=204, responses=refusals("conflict"))
@needs(Scope.ADMIN)
async def revoke_key(request: Request, id: str) -> Response:
    """Revoke a key for good. What is open with it ends within seconds, on every gateway."""
    await _administration(request).revoke(principal_of(request), _checked(id))
    return Response(status_code=204)


@router.post("/keys/{id}/rotate", responses=refusals("too_large", "conflict"))
@needs(Scope.ADMIN)
async def rotate_key(request: Request, id: str) -> Response:
    """Give a key another secret, which is shown only here; the one before is valid for ``{"overlap_s": …}`` more."""
    overlap_s = overlap_request(await small_body(request))
    return json_response(
        _with_secret(*await _administration(request).rotate(principal_of(request), _checked(id), overlap_s))
    )


@router.post("/tokens", responses=refusals("too_large", "conflict"))
@needs(*Scope)
async def create_token(request: Request) -> Response:
    """Make a short-lived token for a browser: ``{"expires_in": 60, "scopes": ["stream"], "origin": "https://…"}``.

    All fields may be left out: a minute, all scopes of the key, any origin.
    """
    maker = principal_of(request)
    if maker.by_token:
        raise SttError("forbidden", "a token cannot make another; use the key")
    wanted = token_request(await small_body(request), maker)
    token, claims = _administration(request).token(maker, wanted)
    return json_response(
        {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": wanted.expires_s,
            "expires_at": iso_timestamp(claims.expires_ms),
            "scopes": claims.scopes,
        }
    )


@router.post("/invitations", status_code=201, responses=refusals("too_large", "conflict"))
@needs(Scope.READ)
async def create_invitation(request: Request) -> Response:
    """Make an invitation to one conversation: ``{"conversation_id": "…", "speak": true, "expires_in": 86400}``.

    Without the others: to read only, for a day. It is used in place of a key, and ends with the key.
    """
    administration, maker = _administration(request, _NO_INVITATIONS), principal_of(request)
    if maker.by_token:
        raise SttError("forbidden", "a token cannot invite anybody; use the key")
    wanted = invitation_request(await small_body(request), maker)
    invitation, claims = administration.invitation(maker, wanted)
    return json_response(
        {
            "invitation": invitation,
            "conversation_id": claims.conversation_id,
            "speak": claims.speak,
            "expires_in": wanted.expires_s,
            "expires_at": iso_timestamp(claims.expires_ms),
        },
        status=201,
    )


def _with_secret(written: WrittenKey, key: ApiKey) -> dict[str, Any]:
    return {"key": written.text, **key_view(key)}


_NO_KEYS = "this server has no keys; start it with AUTH=keys"
_NO_INVITATIONS = (
    "invitations need keys (AUTH=keys); on this server, without keys, everybody may open every conversation"
)


def _administration(request: Request, otherwise: str = _NO_KEYS) -> KeyAdministration:
    keys = context_of(request).keys
    if keys is None:
        raise SttError("conflict", otherwise)
    return keys


def _checked(id: str) -> str:
    if not is_key_id(id):
        raise no_such_key()
    return id
