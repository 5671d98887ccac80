"""Route ``WS /v1/stt/conversations/{id}``: a conversation as it is spoken, from the last two minutes on.

Each viewer reads the conversation's log and channel like any log reader (streams/reader.py): viewers that join late or
reconnect miss nothing and see nothing twice. Viewers cost the speakers nothing: each utterance is written once, however
many viewers follow.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import redis
import structlog
from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from stt_gateway.context import GatewayContext, context_of
from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_gateway.core.requests.viewing import Viewing, viewing
from stt_gateway.live.event_sender import CLOSE_SLOW_READER, ClientGone, send_text
from stt_shared.contracts.conversation import Utterance
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys

_log = structlog.get_logger()

MAX_WAITING = 256
"""Messages that may wait for a slow viewer; the rest wait in Redis. A viewer that does not read is disconnected."""
VIEWER_MESSAGES_PER_S, VIEWER_MESSAGES_AT_ONCE = 20, 200

router = APIRouter()


@router.websocket("/v1/stt/conversations/{conversation_id:path}")
async def follow(websocket: WebSocket, conversation_id: str) -> None:
    """Send the settled utterances of all speakers and, on request, unsettled text; docs/protocol.md is the contract."""
    await websocket.accept()
    services = context_of(websocket)
    code = 1000
    try:
        wish = viewing(conversation_id, websocket.query_params.multi_items())
        client = websocket.client
        with services.connections.one_of(client.host if client else ""):
            await Viewer(websocket, services, wish).run()
    except ClientGone:
        return
    except TimeoutError:
        code = CLOSE_SLOW_READER
    except SttError as error:
        code = await _tell(websocket, services, error)
    except (redis.ConnectionError, redis.TimeoutError):
        code = await _tell(websocket, services, SttError("unavailable", "the store does not answer; connect again"))
    except Exception:
        # The only catch-all of this connection.
        _log.exception("viewer failed")
        code = await _tell(websocket, services, SttError("internal", "internal server error; connect again"))
    with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(1.0):
            await websocket.close(code)


class Viewer:
    """One viewer's connection.

    ``run`` raises ClientGone, TimeoutError for a viewer that does not read, and Redis errors.
    """

    def __init__(self, websocket: WebSocket, services: GatewayContext, wish: Viewing) -> None:
        self._websocket = websocket
        self._services = services
        self._wish = wish
        self._epoch = ""  # of the conversation; '' until its first utterance
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    async def run(self) -> None:
        """Serve the viewer until it leaves."""
        parts = [self._settled(), self._write(), self._receive()]
        if self._wish.unsettled:
            parts.append(self._unsettled())
        tasks = [asyncio.create_task(part, name="viewer") for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_and_wait(*tasks)

    async def _settled(self) -> None:
        wish = self._wish
        self._epoch = await self._current_epoch()
        if wish.after is None:
            place = await self._services.bus.conversations.seq_before(wish.conversation_id, wall_ms() - wish.since_ms)
        else:
            # The cursor is void if the conversation has a new epoch: the viewer has nothing of it.
            place = wish.after.place if wish.after.epoch in ("", self._epoch) else 0
        await self._put(
            {"type": "following", "conversation_id": wish.conversation_id, "cursor": f"{self._epoch}-{place}"}
        )
        while True:
            async for utterance in self._utterances(place):
                self._epoch = utterance.epoch or self._epoch
                await self._put({**shown(utterance), "cursor": f"{self._epoch}-{utterance.seq}"})
            # The earlier utterances are lost: continue from the new beginning.
            self._epoch, place = await self._current_epoch(), 0

    async def _utterances(self, place: int) -> AsyncIterator[Utterance]:
        """Yield utterances until the conversation's keys are lost.

        Its numbers then start again and could be mistaken for the next ones.
        """
        services = self._services
        reader = services.bus.conversations.read(self._wish.conversation_id, place, services.utterances)
        async with contextlib.aclosing(reader.items()) as items:  # type: ignore[type-var]
            async for item in items:
                if item is not None:
                    if self._epoch and item.epoch not in ("", self._epoch):
                        return
                    yield item
                elif self._epoch and await self._current_epoch() != self._epoch:
                    return

    async def _current_epoch(self) -> str:
        return await self._services.bus.conversations.epoch(self._wish.conversation_id)

    async def _unsettled(self) -> None:
        channel = keys.conversation_keys(self._wish.conversation_id).unsettled
        async with self._services.live_utterances.listen(channel) as inbox:
            while True:
                payload = await inbox.get(60.0)
                # A viewer that lags needs none of these: the next one, or the settled utterance, has the full text.
                if payload is not None and self._waiting.qsize() < MAX_WAITING // 4:
                    self._waiting.put_nowait(payload)

    async def _put(self, message: dict[str, Any]) -> None:
        await self._waiting.put(msgspec.json.encode(message))

    async def _write(self) -> None:
        while True:
            body = await self._waiting.get()
            await send_text(self._websocket, body.decode(), self._services.settings.send_timeout_s)

    async def _receive(self) -> None:
        raise ClientGone(await until_gone(self._websocket))


async def until_gone(websocket: WebSocket) -> int | None:
    """Wait until the viewer has left; return the close code.

    Messages from viewers are ignored; they only show that the viewer is alive. Raises SttError when a viewer sends too
    many.
    """
    messages = TokenBucket(VIEWER_MESSAGES_PER_S, VIEWER_MESSAGES_AT_ONCE)
    while (received := await websocket.receive())["type"] != "websocket.disconnect":
        if not messages.take(monotonic_ms() / 1000):
            raise SttError("bad_message", f"a viewer may send {VIEWER_MESSAGES_PER_S} messages a second")
    code: int | None = received.get("code")
    return code


def shown(utterance: Utterance) -> dict[str, Any]:
    """Return an utterance as viewers see it."""
    told: dict[str, Any] = msgspec.to_builtins(utterance)
    for name in ("instance", "store", "epoch", "words"):
        told.pop(name, None)
    return told


async def _tell(websocket: WebSocket, services: GatewayContext, error: SttError) -> int:
    ERRORS_TOTAL.labels(error.code).inc()
    body = {"type": "error", "code": error.code, "message": error.message, "retryable": error.kind.retryable}
    if (retry_after_s := services.retry_after_s(error.kind)) is not None:
        body["retry_after_s"] = retry_after_s
    with contextlib.suppress(ClientGone, TimeoutError):
        await send_text(websocket, msgspec.json.encode(body).decode(), services.settings.send_timeout_s)
    return error.kind.close_code
