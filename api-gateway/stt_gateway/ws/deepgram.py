"""Route ``WS /v1/listen``: live sessions for clients of Deepgram's API."""

import uuid

from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import needs
from stt_gateway.context import context_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.dialects.deepgram.dialect import DeepgramDialect
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.stream import StreamConnection
from stt_shared.contracts.events import iso_timestamp
from stt_shared.process.clock import wall_ms

router = APIRouter()


@router.websocket("/v1/listen")
@needs(Scope.STREAM)
async def listen(websocket: WebSocket) -> None:
    """Receive live audio and send results as Deepgram does; docs/dialects.md says what a client may expect."""
    admission, request_id = context_of(websocket).admission, str(uuid.uuid4())
    dialect = DeepgramDialect(request_id, iso_timestamp(wall_ms()), lambda: next(iter(admission.known_models), ""))
    await serve(
        websocket,
        StreamConnection(websocket, dialect),
        headers={"dg-request-id": request_id},
        close_reason=lambda: dialect.close_reason,
    )
