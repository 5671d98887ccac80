"""Routes for clients written for an older shape: everybody speaks into one conversation, and everybody reads it.

``WS /api/stt/transcribe?sampleRate=44100`` takes 16-bit samples; ``WS /api/stt/connect`` sends the last two minutes at
once and every ten seconds; ``GET /api/stt/healthcheck`` answers that all is well.
"""

import asyncio
import contextlib
from typing import Any

import msgspec
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import PlainTextResponse
from starlette.websockets import WebSocketDisconnect

from stt_gateway.conversations import shown
from stt_gateway.pump import ClientGone, send_text
from stt_gateway.services import services_of
from stt_gateway.stream import Connection
from stt_shared.bus import keys
from stt_shared.clock import wall_ms
from stt_shared.contracts.conversation import Utterance, utterance_from
from stt_shared.metrics import SESSIONS
from stt_shared.tasks import cancel_and_wait

CONVERSATION = "default"
WINDOW_MS = 120_000
EVERY_S = 10.0

router = APIRouter(include_in_schema=False)


@router.get("/api/stt/healthcheck")
async def healthcheck(_: Request) -> PlainTextResponse:
    """The gateway answers; ``GET /health`` tells more."""
    return PlainTextResponse("Yes, I'm ok")


@router.websocket("/api/stt/transcribe")
async def transcribe(websocket: WebSocket) -> None:
    """A live session whose words go into the conversation ``default``; its own events come back as well."""
    await websocket.accept()
    given = [("sample_rate" if name == "sampleRate" else name, value) for name, value in websocket.query_params.items()]
    query = [
        *given,
        *([] if any(name == "conversation_id" for name, _ in given) else [("conversation_id", CONVERSATION)]),
    ]
    with SESSIONS.labels("gateway").track_inprogress():
        await Connection(websocket, services_of(websocket), query).run()


@router.websocket("/api/stt/connect")
async def connect(websocket: WebSocket) -> None:
    """A list of the utterances of the last two minutes, now and every ten seconds."""
    await websocket.accept()
    services = services_of(websocket)
    leaving = asyncio.create_task(_gone(websocket), name="older viewer")
    try:
        while not leaving.done():
            said = [shown(utterance) for utterance in await _lately(services.redis)]
            await send_text(websocket, msgspec.json.encode(said).decode(), services.settings.send_timeout_s)
            await asyncio.wait({leaving}, timeout=EVERY_S)
    except (ClientGone, TimeoutError):
        pass
    finally:
        await cancel_and_wait(leaving)
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await websocket.close()


async def _gone(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _lately(client: Any) -> list[Utterance]:
    entries = await client.xrevrange(keys.conversation_keys(CONVERSATION).log, count=500)
    said = [utterance_from(fields[b"event"]) for _, fields in reversed(entries)]
    return [utterance for utterance in said if utterance.spoken_ms >= wall_ms() - WINDOW_MS]
