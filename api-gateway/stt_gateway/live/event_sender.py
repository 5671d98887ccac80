"""Sender of a session's events from Redis to its client, at the client's pace."""

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec
import structlog

from stt_gateway.core.live.outbox import EventHead, Outbox, outgoing
from stt_gateway.dialects.base import Dialect, Payload
from stt_gateway.live.client_socket import CLOSE_DONE, CLOSE_SLOW_READER, ClientSocket, SlowReader
from stt_shared.contracts.events import Done, Error, Ready, decode_event
from stt_shared.contracts.services import ServiceName
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL, StageTimings
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.process.tracing import Attribute, FinishedSpan, tracer
from stt_shared.redis.outage import UNREACHABLE, Outage
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership

_log = structlog.get_logger()

MAX_WAITING = 256
"""Events that may wait for a slow client; the rest wait in Redis."""
REDIS_PATIENCE_S = 10.0


class EventSender:
    """Sender of one connection's events: ``ready``, then the session's later events up to the last.

    ``ready`` carries a secret and therefore never enters Redis. ``timings`` are added to those of `done`.
    """

    def __init__(
        self,
        client: ClientSocket,
        dialect: Dialect,
        bus: Bus,
        owner: Ownership,
        ready: Ready,
        timings: StageTimings,
        *,
        partials: bool,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._reader = bus.sessions.read_events(owner.keys, owner.epoch, ready.event)
        self._ready = ready
        self._timings = timings
        self._session_id = owner.keys.id
        self._outbox = Outbox(partials=partials)
        self._arrived = asyncio.Event()
        self._made_room = asyncio.Event()
        self.last_event = ready.event
        """Number of the last event sent."""
        self.last_sent_ms = monotonic_ms()

    async def run(self) -> int:
        """Send until the last event; return the close code.

        Raises ClientGone, or SttError unavailable when Redis stays unreachable.
        """
        try:
            for message in self._dialect.render_event("ready", msgspec.json.encode(self._ready)):
                await self._client.send(message)
        except SlowReader:
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
        outage = Outage(patience_s=REDIS_PATIENCE_S, retry_s=0.1)
        while True:
            try:
                async with contextlib.aclosing(self._reader.items()) as items:  # type: ignore[type-var]
                    async for item in items:
                        outage.end()
                        if item is None:
                            continue
                        event = outgoing(item.body, monotonic_ms())
                        while len(self._outbox) >= MAX_WAITING:
                            self._made_room.clear()
                            await self._made_room.wait()
                        self._outbox.put(event)
                        self._arrived.set()
                        if event.head.type in ("done", "error"):
                            return
            except UNREACHABLE as error:
                await outage.wait(error)

    async def _write(self) -> int:
        render_event = self._dialect.render_event
        while True:
            event = self._outbox.take()
            self._made_room.set()
            if event is None:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            head = event.head
            is_last = head.type in ("done", "error")
            messages = self._render_last(event.body) if is_last else render_event(head.type, event.body)
            try:
                for message in messages:
                    await self._client.send(message)
            except SlowReader:
                _log.warning("client not reading")
                return CLOSE_SLOW_READER
            self.last_event = head.event
            self.last_sent_ms = monotonic_ms()
            took_ms = self.last_sent_ms - event.received_ms
            self._timings.add("deliver", took_ms)
            if head.traceparent:
                self._trace(head, took_ms)
            if head.type == "done":
                return CLOSE_DONE
            if head.type == "error":
                ERRORS_TOTAL.labels(head.code).inc()
                return self._dialect.close_code(head.code)

    def _trace(self, head: EventHead, took_ms: float) -> None:
        now_ms = wall_ms()
        about: dict[str, Attribute] = {"session_id": self._session_id, "event": head.event}
        tracer().record(FinishedSpan("deliver", ServiceName.GATEWAY, now_ms - took_ms, now_ms, about), head.traceparent)

    def _render_last(self, body: bytes) -> Sequence[Payload]:
        event = decode_event(body)
        if isinstance(event, Error):
            message = self._dialect.render_error(event)
            return () if message is None else (message,)
        assert isinstance(event, Done)
        timings = {**event.timings_ms, **self._timings.summary()}
        return self._dialect.render_event(
            "done", msgspec.json.encode(msgspec.structs.replace(event, timings_ms=timings))
        )
