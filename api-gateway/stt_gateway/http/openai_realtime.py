"""Routes of OpenAI's Realtime API besides its WebSocket: secrets with which a page opens a session."""

import secrets

from fastapi import APIRouter, Request, Response

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of
from stt_gateway.core.openai.realtime.secret_request import SecretRequest, secret_request
from stt_gateway.core.requests.client_secret import write_client_secret
from stt_gateway.core.requests.key_request import TokenRequest
from stt_gateway.core.requests.principal import Scope
from stt_gateway.http.bodies import small_body
from stt_gateway.http.openapi import openai_refusals, success
from stt_gateway.http.responses import json_response
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

_ANSWERS = {
    **success("The secret, and the session that it is for."),
    **openai_refusals("bad_message", "unauthorized", "forbidden", "too_large", "bad_config"),
}
_NO_KEYS = "none"
"""Token of a server without keys, which asks for none."""

router = APIRouter(prefix="/v1/realtime", tags=["OpenAI"])


@router.post("/client_secrets", response_class=Response, responses=_ANSWERS)
@needs(Scope.STREAM)
async def create_client_secret(request: Request) -> Response:
    """Make a short-lived secret for a page: ``{"expires_after": {"seconds": 60}, "session": {…}}``."""
    asked = secret_request(await small_body(request), is_beta=False)
    value, expires_at = _secret(request, asked)
    return json_response({"value": value, "expires_at": expires_at, "session": asked.session.view(_session_id())})


@router.post("/transcription_sessions", response_class=Response, responses=_ANSWERS)
@needs(Scope.STREAM)
async def create_transcription_session(request: Request) -> Response:
    """Do the same in the form of the beta: the body describes the session."""
    asked = secret_request(await small_body(request), is_beta=True)
    value, expires_at = _secret(request, asked)
    secret = {"value": value, "expires_at": expires_at}
    return json_response({**asked.session.beta_view(_session_id()), "client_secret": secret})


def _secret(request: Request, asked: SecretRequest) -> tuple[str, int]:
    """Return a secret, and when it expires in seconds since 1970. Raises SttError."""
    context, maker = context_of(request), principal_of(request)
    if maker.by_token:
        raise SttError("forbidden", "a token cannot make another; use the key")
    asked.session.request(context.settings.live_defaults)
    token, expires_ms = _NO_KEYS, wall_ms() + asked.expires_s * 1000
    if context.keys is not None:
        wanted = TokenRequest(frozenset({Scope.STREAM}), asked.expires_s, "")
        token, claims = context.keys.token(maker, wanted)
        expires_ms = claims.expires_ms
    return write_client_secret(asked.described, token), int(expires_ms / 1000)


def _session_id() -> str:
    return f"sess_{secrets.token_hex(8)}"
