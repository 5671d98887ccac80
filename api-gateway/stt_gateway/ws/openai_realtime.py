"""Route ``WS /v1/realtime``: OpenAI's Realtime API for transcription."""

import secrets

from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import needs
from stt_gateway.context import context_of
from stt_gateway.core.requests.client_secret import session_in
from stt_gateway.core.requests.credential import written_credentials
from stt_gateway.core.requests.principal import Scope
from stt_gateway.dialects.openai_realtime import OpenAIRealtimeDialect
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.stream import StreamConnection

router = APIRouter()

BETA = "realtime=v1"
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"


@router.websocket("/v1/realtime")
@needs(Scope.STREAM)
async def realtime(websocket: WebSocket) -> None:
    """Transcribe live audio in OpenAI's form; docs/dialects.md says what a client may expect."""
    is_beta = websocket.headers.get("openai-beta") == BETA or BETA_SUBPROTOCOL in websocket.scope.get(
        "subprotocols", ()
    )
    written = written_credentials(websocket.headers.getlist("authorization"), websocket.scope.get("subprotocols", ()))
    dialect = OpenAIRealtimeDialect(secrets.token_hex(8), session_in(written), is_beta=is_beta)
    # A microphone that is muted sends nothing, and this protocol has nothing else to send.
    idle_timeout_s = context_of(websocket).settings.realtime_idle_timeout_s
    await serve(websocket, StreamConnection(websocket, dialect, idle_timeout_s=idle_timeout_s))
