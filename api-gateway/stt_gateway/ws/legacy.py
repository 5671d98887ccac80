"""Routes for clients of the older API, in which all speakers and all readers share one conversation.

``WS /api/stt/transcribe?sampleRate=44100`` accepts 16-bit samples; ``WS /api/stt/connect`` sends the utterances of the
last two minutes on connection and every ten seconds. ``GET /api/stt/healthcheck`` is in http/health.py.
"""

import asyncio
import contextlib

import msgspec
import redis
import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from stt_gateway.context import context_of
from stt_gateway.live.event_sender import CLOSE_SLOW_READER, ClientGone, send_text
from stt_gateway.ws.stream import Connection
from stt_gateway.ws.viewer import shown, until_gone
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL, SESSIONS
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

CONVERSATION = "default"
WINDOW_MS = 120_000
EVERY_S = 10.0
AGAIN_S = 1.0
"""Delay before Redis is queried again after it did not answer."""

router = APIRouter(include_in_schema=False)


@router.websocket("/api/stt/transcribe")
async def transcribe(websocket: WebSocket) -> None:
    """Serve a live session that feeds the conversation ``default``; the client gets its own events as well."""
    await websocket.accept()
    given = [("sample_rate" if name == "sampleRate" else name, value) for name, value in websocket.query_params.items()]
    query = [
        *given,
        *([] if any(name == "conversation_id" for name, _ in given) else [("conversation_id", CONVERSATION)]),
    ]
    with SESSIONS.labels("gateway").track_inprogress():
        await Connection(websocket, context_of(websocket), query).run()


@router.websocket("/api/stt/connect")
async def connect(websocket: WebSocket) -> None:
    """Send the list of the utterances of the last two minutes on connection and every ten seconds."""
    await websocket.accept()
    services = context_of(websocket)
    client = websocket.client
    code = 1000
    leaving = asyncio.create_task(until_gone(websocket), name="older viewer")
    try:
        with services.connections.one_of(client.host if client else ""):
            while not leaving.done():
                body = await _lately(services.bus)
                if body is not None:
                    await send_text(websocket, body, services.settings.send_timeout_s)
                await asyncio.wait({leaving}, timeout=AGAIN_S if body is None else EVERY_S)
            leaving.result()
    except ClientGone:
        return
    except TimeoutError:
        code = CLOSE_SLOW_READER
    except SttError as error:
        ERRORS_TOTAL.labels(error.code).inc()
        code = error.kind.close_code
    finally:
        await cancel_and_wait(leaving)
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(1.0):
            await websocket.close(code)


async def _lately(bus: Bus) -> str | None:
    """Return the list as JSON; None when Redis does not answer."""
    try:
        newest = await bus.conversations.newest(CONVERSATION, 500)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        _log.warning("legacy viewers waiting: redis unavailable", cause=str(error))
        return None
    recent = [shown(utterance) for utterance in reversed(newest) if utterance.spoken_ms >= wall_ms() - WINDOW_MS]
    return msgspec.json.encode(recent).decode()
