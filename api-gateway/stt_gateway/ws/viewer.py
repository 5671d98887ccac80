"""Route ``WS /v1/stt/conversations/{id}``: a conversation as it is spoken, from the last two minutes on.

Each viewer reads the conversation's log and channel like any log reader (streams/reader.py): viewers that join late or
reconnect miss nothing and see nothing twice. Viewers cost the speakers nothing: what is said is written once, however
many viewers follow.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from fastapi import APIRouter, WebSocket

from stt_gateway.authorize import for_invited, needs, principal_of
from stt_gateway.context import context_of, query_of
from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_gateway.core.requests.principal import Scope, check_invited
from stt_gateway.core.requests.viewer_request import ViewerRequest, viewer_request
from stt_gateway.dialects.native import NATIVE, said_view, viewer_error
from stt_gateway.live.client_socket import ClientSocket
from stt_gateway.ws.endpoint import serve
from stt_shared.contracts.conversation import Said
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys

MAX_WAITING = 256
"""Messages that may wait for a slow viewer; the rest wait in Redis. A viewer that does not read is disconnected."""
VIEWER_MESSAGES_PER_S, VIEWER_MESSAGES_AT_ONCE = 20, 200
VIEWER_SILENCE_S = 90.0
"""Time without a message or a pong, of which one is due every 20 s, after which a viewer is gone."""
_LISTEN_S = 60.0

router = APIRouter()


@router.websocket("/v1/stt/conversations/{conversation_id:path}")
@needs(Scope.READ)
@for_invited
async def follow(websocket: WebSocket, conversation_id: str) -> None:
    """Send the utterances of all speakers, revisions of who spoke and, on request, unsettled text.

    docs/protocol.md is the contract.
    """
    await serve(websocket, Viewer(websocket, conversation_id), context_of(websocket).viewer_limit)


class Viewer:
    """One viewer's connection."""

    session_id = ""
    has_session = False
    stream_name = None

    def __init__(self, websocket: WebSocket, conversation_id: str) -> None:
        self._context = context_of(websocket)
        self._websocket = websocket
        self._tenant = ""  # known once the viewer is authorised
        self._conversation_id = conversation_id
        self._epoch = ""  # of the conversation; '' until its first utterance
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)

    async def run(self, client: ClientSocket) -> int:
        """Serve the viewer until it leaves. Raises ClientGone, SlowReader, SttError and Redis errors."""
        principal = principal_of(self._websocket)
        check_invited(principal, self._conversation_id)
        self._tenant = principal.tenant
        request = viewer_request(self._conversation_id, query_of(self._websocket))
        parts = [self._read_utterances(request), self._send(client), read_until_gone(client)]
        if request.unsettled:
            parts.append(self._read_live_utterances())
        tasks = [asyncio.create_task(part, name="viewer") for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel_and_wait(*tasks)
        raise AssertionError("a viewer's tasks end with an exception")

    def render_error(self, error: SttError, retry_after_s: float | None) -> str | bytes | None:
        """Render an error as for a live session, without a session."""
        return viewer_error(error.code, error.message, retry_after_s)

    def close_code(self, code: str) -> int:
        """Return the close code of docs/protocol.md."""
        return NATIVE.close_code(code)

    async def _read_utterances(self, request: ViewerRequest) -> None:
        conversations, conversation_id = self._context.bus.conversations, self._conversation_id
        self._epoch = await self._current_epoch()
        if request.after is None:
            seq = await conversations.seq_before(self._tenant, conversation_id, wall_ms() - request.since_ms)
        else:
            # The cursor is void if the conversation has a new epoch: the viewer has nothing of it.
            seq = request.after.seq if request.after.epoch in ("", self._epoch) else 0
        await self._put({"type": "following", "conversation_id": conversation_id, "cursor": f"{self._epoch}-{seq}"})
        while True:
            async for said in self._said(seq):
                self._epoch = said.epoch or self._epoch
                await self._put({**said_view(said), "cursor": f"{self._epoch}-{said.seq}"})
            # What was said earlier is lost: continue from the new beginning.
            self._epoch, seq = await self._current_epoch(), 0

    async def _said(self, after_seq: int) -> AsyncIterator[Said]:
        """Yield utterances, and revisions of their speakers, until the conversation's keys are lost.

        Its numbers then start again and could be mistaken for the next ones.
        """
        context = self._context
        reader = context.bus.conversations.read(self._tenant, self._conversation_id, after_seq, context.utterances)
        async with contextlib.aclosing(reader.items()) as items:  # type: ignore[type-var]
            async for item in items:
                if item is not None:
                    if self._epoch and item.epoch not in ("", self._epoch):
                        return
                    yield item
                elif self._epoch and await self._current_epoch() != self._epoch:
                    return

    async def _current_epoch(self) -> str:
        return await self._context.bus.conversations.epoch(self._tenant, self._conversation_id)

    async def _read_live_utterances(self) -> None:
        channel = keys.conversation_keys(self._tenant, self._conversation_id).unsettled
        async with self._context.live_utterances.listen(channel) as inbox:
            while True:
                payload = await inbox.get(_LISTEN_S)
                # A viewer that lags needs none of these: the next one, or the final utterance, has the full text.
                if payload is not None and self._waiting.qsize() < MAX_WAITING // 4:
                    self._waiting.put_nowait(payload)

    async def _put(self, message: dict[str, Any]) -> None:
        await self._waiting.put(msgspec.json.encode(message))

    async def _send(self, client: ClientSocket) -> None:
        while True:
            await client.send((await self._waiting.get()).decode())


async def read_until_gone(client: ClientSocket) -> None:
    """Ignore messages, which only show that the viewer is alive, until it leaves.

    Raises ClientGone, or SttError when the viewer sends too many, or neither messages nor answers to pings.
    """
    messages = TokenBucket(VIEWER_MESSAGES_PER_S, VIEWER_MESSAGES_AT_ONCE)
    while True:
        try:
            async with asyncio.timeout(VIEWER_SILENCE_S):
                await client.receive()
        except TimeoutError:
            if client.unanswered_s() >= VIEWER_SILENCE_S:
                raise SttError("idle", f"no answer to a ping for {VIEWER_SILENCE_S:g} s") from None
            continue
        if not messages.take(monotonic_ms() / 1000):
            raise SttError("bad_message", f"a viewer may send {VIEWER_MESSAGES_PER_S} messages a second")
