"""Sender of a session's events from Redis to its client, at the client's pace."""

import asyncio
import contextlib

import msgspec
import redis
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from stt_gateway.core.live.outbox import Outbox, Outgoing, outgoing
from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Done, Ready, decode_event
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.metrics import ERRORS_TOTAL, StageTimings
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership

_log = structlog.get_logger()

MAX_WAITING = 256
"""Events that may wait for a slow client; the rest wait in Redis."""
REDIS_PATIENCE_MS = 10_000.0
CLOSE_DONE = 1000
CLOSE_SLOW_READER = 1013


CLEAN_CLOSES = (1000, 1001, 1005)
"""Close codes of clients that are done. Browsers send 1001 when a page is left; 1005 stands for a close without a
code."""


class ClientGone(Exception):
    """Error for a closed connection: nothing can be sent on it any more."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(code)
        self.for_good = code in CLEAN_CLOSES
        """Whether the client closed on purpose; otherwise the connection may have been lost."""


async def send_text(websocket: WebSocket, text: str, timeout_s: float) -> None:
    """Send one message. Raises ClientGone, or TimeoutError when the client does not read."""
    try:
        async with asyncio.timeout(timeout_s):
            await websocket.send_text(text)
    except (WebSocketDisconnect, RuntimeError) as error:
        # Starlette and uvicorn raise RuntimeError for a socket that was closed in the meantime.
        raise ClientGone from error


class EventSender:
    """Sender of one connection's events: ``ready``, then the session's later events up to the last.

    ``ready`` carries a secret and therefore never enters Redis. ``timings`` are added to those of `done`.
    """

    def __init__(
        self,
        websocket: WebSocket,
        bus: Bus,
        owner: Ownership,
        ready: Ready,
        timings: StageTimings,
        *,
        partials: bool,
        send_timeout_s: float,
    ) -> None:
        self._websocket = websocket
        self._reader = bus.sessions.read_events(owner.keys, owner.epoch, ready.event)
        self._ready = ready
        self._timings = timings
        self._send_timeout_s = send_timeout_s
        self._outbox = Outbox(partials=partials)
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self.last_event = ready.event
        """Number of the last event sent."""
        self.last_sent_ms = monotonic_ms()

    async def run(self) -> int:
        """Send until the last event; return the close code.

        Raises ClientGone, or SttError unavailable when Redis stays unreachable.
        """
        try:
            await send_text(self._websocket, msgspec.json.encode(self._ready).decode(), self._send_timeout_s)
        except TimeoutError:
            return CLOSE_SLOW_READER
        reading = asyncio.create_task(self._read(), name="events in")
        writing = asyncio.create_task(self._write(), name="events out")
        try:
            await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            return await writing
        finally:
            await cancel_and_wait(reading, writing)

    async def _read(self) -> None:
        lost_since_ms: float | None = None
        while True:
            try:
                async with contextlib.aclosing(self._reader.items()) as items:  # type: ignore[type-var]
                    async for item in items:
                        lost_since_ms = None
                        if item is None:
                            continue
                        event = outgoing(item.body, monotonic_ms())
                        while len(self._outbox) >= MAX_WAITING:
                            self._taken.clear()
                            await self._taken.wait()
                        self._outbox.put(event)
                        self._arrived.set()
                        if event.head.type in ("done", "error"):
                            return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                lost_since_ms = lost_since_ms or monotonic_ms()
                if monotonic_ms() - lost_since_ms > REDIS_PATIENCE_MS:
                    raise SttError("unavailable", "the session's store does not answer; connect again") from error
                await asyncio.sleep(0.1)

    async def _write(self) -> int:
        while True:
            event = self._outbox.take()
            self._taken.set()
            if event is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                await send_text(self._websocket, self._text(event), self._send_timeout_s)
            except TimeoutError:
                _log.warning("client not reading", timeout_s=self._send_timeout_s)
                return CLOSE_SLOW_READER
            self.last_event = event.head.event
            self.last_sent_ms = monotonic_ms()
            self._timings.add("deliver", self.last_sent_ms - event.received_ms)
            if event.head.type == "done":
                return CLOSE_DONE
            if event.head.type == "error":
                ERRORS_TOTAL.labels(event.head.code).inc()
                return ERRORS.get(event.head.code, ERRORS["internal"]).close_code

    def _text(self, event: Outgoing) -> str:
        if event.head.type != "done":
            return event.body.decode()
        done = decode_event(event.body)
        assert isinstance(done, Done)
        timings = {**done.timings_ms, **self._timings.summary()}
        return msgspec.json.encode(msgspec.structs.replace(done, timings_ms=timings)).decode()
