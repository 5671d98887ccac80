"""Routes for clients of the older API, in which all speakers and all readers share one conversation.

``WS /api/stt/transcribe?sampleRate=44100`` accepts 16-bit samples; ``WS /api/stt/connect`` sends the utterances of the
last two minutes on connection and every ten seconds. ``GET /api/stt/healthcheck`` is in http/health.py.
"""

import asyncio

import structlog
from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import needs, principal_of
from stt_gateway.context import context_of
from stt_gateway.core.requests.principal import Scope
from stt_gateway.dialects.legacy import CONVERSATION, LEGACY, utterance_list
from stt_gateway.live.client_socket import ClientSocket
from stt_gateway.ws.endpoint import serve
from stt_gateway.ws.stream import StreamConnection
from stt_gateway.ws.viewer import read_until_gone
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

WINDOW_MS = 120_000
SEND_EVERY_S = 10.0
RETRY_S = 1.0
"""Delay before Redis is queried again after it did not answer."""

router = APIRouter(include_in_schema=False)


@router.websocket("/api/stt/transcribe")
@needs(Scope.STREAM)
async def transcribe(websocket: WebSocket) -> None:
    """Serve a live session that feeds the conversation ``default``; the client gets its own events as well."""
    await serve(websocket, StreamConnection(websocket, LEGACY))


@router.websocket("/api/stt/connect")
@needs(Scope.READ)
async def connect(websocket: WebSocket) -> None:
    """Send the list of the utterances of the last two minutes on connection and every ten seconds."""
    await serve(websocket, LegacyViewer(websocket), context_of(websocket).viewer_limit)


class LegacyViewer:
    """Connection of a viewer who gets lists of utterances, and learns of errors by the close code alone."""

    session_id = ""
    has_session = False
    stream_name = None

    def __init__(self, websocket: WebSocket) -> None:
        self._bus = context_of(websocket).bus
        self._websocket = websocket

    async def run(self, client: ClientSocket) -> int:
        """Serve the viewer until it leaves. Raises ClientGone, SlowReader or SttError."""
        tenant = principal_of(self._websocket).tenant
        reading = asyncio.create_task(read_until_gone(client), name="legacy viewer")
        try:
            while not reading.done():
                message = await _recent_utterances(self._bus, tenant)
                if message is not None:
                    await client.send(message)
                await asyncio.wait({reading}, timeout=RETRY_S if message is None else SEND_EVERY_S)
            reading.result()
        finally:
            await cancel_and_wait(reading)
        raise AssertionError("reading ends with an exception")

    def render_error(self, error: SttError, retry_after_s: float | None) -> str | bytes | None:
        """Return None: the older API has no errors."""
        return None

    def close_code(self, code: str) -> int:
        """Return the close code of docs/protocol.md."""
        return LEGACY.close_code(code)


async def _recent_utterances(bus: Bus, tenant: str) -> str | None:
    """Return the list as JSON; None when Redis does not answer."""
    try:
        newest = await bus.conversations.newest(tenant, CONVERSATION, 500)
    except UNREACHABLE as error:
        _log.warning("legacy viewers waiting: redis unavailable", cause=str(error))
        return None
    return utterance_list(one for one in reversed(newest) if one.spoken_ms >= wall_ms() - WINDOW_MS)
