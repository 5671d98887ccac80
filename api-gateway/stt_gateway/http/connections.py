"""Time limits of HTTP connections, and a limit on their number.

    IDLE ──> HEAD ──> BODY ──> ANSWER ──> IDLE      a WebSocket leaves after HEAD

A response may take any time: clients follow the events of a job for hours.
"""

import asyncio
from enum import Enum

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stt_gateway.http.protocol import BoundedHeadProtocol

HEAD_TIMEOUT_S = 10.0
"""Time limit for a request head, and for an open connection until its next request begins."""
BODY_TIMEOUT_S = 30.0
MIN_BODY_BYTES_PER_S = 1024
"""Minimum rate of a body, averaged over BODY_TIMEOUT_S: an eighth of what a 64 kbit/s line carries."""


class Phase(Enum):
    """Phase of a connection, by what it waits for."""

    IDLE = "a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    ANSWER = "the app"


class HttpConnections:
    """Set of a gateway's HTTP connections, at most ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._all: set[TimedProtocol] = set()
        self._waiting: dict[TimedProtocol, None] = {}  # without a complete head, longest wait first

    def admit(self, connection: "TimedProtocol") -> bool:
        """Add a connection, if necessary in place of the one that has waited longest for a request.

        Returns False when all are busy.
        """
        if len(self._all) >= self._limit:
            if not self._waiting:
                return False
            oldest = next(iter(self._waiting))
            self.discard(oldest)
            oldest.transport.close()
        self._all.add(connection)
        return True

    def note(self, connection: "TimedProtocol", phase: Phase) -> None:
        """Note that the connection has entered ``phase``."""
        if phase in (Phase.BODY, Phase.ANSWER):
            self._waiting.pop(connection, None)
        elif connection in self._all:
            self._waiting.setdefault(connection)

    def discard(self, connection: "TimedProtocol") -> None:
        """Remove a connection that has ended or become a WebSocket."""
        self._all.discard(connection)
        self._waiting.pop(connection, None)


class TimedProtocol(BoundedHeadProtocol):
    """Protocol of one connection, to be subclassed with the ``http_connections`` that count it."""

    http_connections: HttpConnections
    _phase = Phase.IDLE
    _timer: asyncio.TimerHandle | None = None
    _body_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the new connection, or refuse it."""
        super().connection_made(transport)
        if self.http_connections.admit(self):
            self._enter(Phase.IDLE)
        else:
            self.refuse(503, "at_capacity", "this gateway has as many connections as it may; try again later")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection, which has ended."""
        self._leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Stop counting the connection, which continues as a WebSocket."""
        self._leave()
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """Enter HEAD: a request begins."""
        super().on_message_begin()
        self._enter(Phase.HEAD)

    def on_headers_complete(self) -> None:
        """Enter BODY: the head is complete."""
        super().on_headers_complete()
        self._enter(Phase.BODY)

    def on_body(self, body: bytes) -> None:
        """Count a piece of a body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Enter ANSWER, or IDLE if the request, which is complete, has been answered already."""
        super().on_message_complete()
        self._enter(Phase.ANSWER if self._is_answering else Phase.IDLE)

    def on_response_complete(self) -> None:
        """Enter IDLE when the response is complete, unless other requests wait for theirs or the body still arrives."""
        super().on_response_complete()
        if self._phase is Phase.ANSWER and not self._is_answering:
            self._enter(Phase.IDLE)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _enter(self, phase: Phase) -> None:
        self._cancel_timer()
        self._phase = phase
        self._body_bytes = 0
        self.http_connections.note(self, phase)
        if phase is not Phase.ANSWER:
            timeout_s = BODY_TIMEOUT_S if phase is Phase.BODY else HEAD_TIMEOUT_S
            self._timer = self.loop.call_later(timeout_s, self._time_out)

    def _leave(self) -> None:
        self._cancel_timer()
        self.http_connections.discard(self)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        in_body = self._phase is Phase.BODY
        is_fast_enough = in_body and self._body_bytes >= MIN_BODY_BYTES_PER_S * BODY_TIMEOUT_S
        # The client is not to blame while reading is paused or an earlier request is still being answered.
        if is_fast_enough or self.flow.read_paused or (self._is_answering and not in_body):
            self._enter(self._phase)
        elif self._phase is Phase.IDLE or (self._is_answering and self.cycle.response_started):
            self.transport.close()
        elif in_body:
            rate = f"{MIN_BODY_BYTES_PER_S} bytes a second over {BODY_TIMEOUT_S:g} s"
            self.refuse(408, "idle", f"the body came too slowly; the least is {rate}")
        else:
            self.refuse(408, "idle", f"the head of a request must come within {HEAD_TIMEOUT_S:g} s")


def timed_protocol(connections: HttpConnections) -> type[HttpToolsProtocol]:
    """Return a protocol class whose connections are counted in ``connections``."""

    class Counted(TimedProtocol):
        http_connections = connections

    return Counted
