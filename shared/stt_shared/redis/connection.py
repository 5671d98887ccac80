"""Raw connection to Redis: opened by redis-py, then read and written directly.

redis-py opens it (address, TLS, password, protocol version). Its work per command and per message after that (asyncio
streams, timeouts and tasks, the pool, counters) costs several times what Redis and the socket cost.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
import redis

from stt_shared.redis.outage import as_outage

_INCOMPLETE = object()


class RawConnection(asyncio.Protocol):
    """Protocol that takes over a connection of redis-py on which nothing is in flight.

    ``on_reply`` is called with each reply, message and error of Redis. ``ended`` is done when the connection is closed,
    with the cause as its result. ``last_read_s``: time of the last received data, by the loop's clock.
    """

    def __init__(self, connection: Any, on_reply: Callable[[Any], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_reply = on_reply
        parse_error = connection._parser.parse_error
        self._reader: Any = hiredis.Reader(
            protocolError=redis.InvalidResponse,
            replyError=lambda text: as_outage(parse_error(text)),
            notEnoughData=_INCOMPLETE,
        )
        self._transport: asyncio.Transport = connection._writer.transport
        self._former: Any = self._transport.get_protocol()
        self._transport.set_protocol(self)
        self.ended: asyncio.Future[redis.ConnectionError] = self._loop.create_future()
        self.last_read_s = self._loop.time()

    def send(self, packed: bytes) -> None:
        """Send commands packed by hiredis. Raises redis.ConnectionError when the connection is closed."""
        if self.ended.done():
            raise redis.ConnectionError("the connection is gone") from self.ended.result()
        try:
            self._transport.write(packed)
        except RuntimeError as error:  # raised by uvloop for a socket that the other side has reset
            raise redis.ConnectionError(f"the connection was closed: {error}") from error

    def abort(self, cause: redis.ConnectionError) -> None:
        """Close the connection without waiting for data in flight."""
        self._end(cause)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse received data; called by the transport."""
        self.last_read_s = self._loop.time()
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _INCOMPLETE:
                self._on_reply(answer)
        except redis.InvalidResponse as error:
            self.abort(redis.ConnectionError(f"no answer of Redis: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """End the connection; called by the transport."""
        # redis-py waits for this call when it closes the connection.
        self._former.connection_lost(error)
        self._end(redis.ConnectionError(f"the connection was closed: {error or 'by Redis'}"))

    def _end(self, cause: redis.ConnectionError) -> None:
        if not self.ended.done():
            self.ended.set_result(cause)
