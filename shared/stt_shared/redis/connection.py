"""A connection to Redis that redis-py has opened, spoken over by hand.

redis-py opens it: address, TLS, password, version of the protocol. What it does for each command and each message after
that (streams, timeouts and tasks of asyncio, the pool, counters) costs several times what Redis and the socket do.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
import redis

from stt_shared.redis.outage import as_outage

_INCOMPLETE = object()


class RawConnection(asyncio.Protocol):
    """Takes over a connection of redis-py on which nothing is on its way.

    ``on_reply`` is called with each answer, message and error of Redis. ``ended`` is done when the connection is gone,
    with the cause. ``last_read_s``: when something was last received, by the loop's clock.
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
        """Sends commands as hiredis packs them. Raises redis.ConnectionError when the connection is gone."""
        if self.ended.done():
            raise redis.ConnectionError("the connection is gone") from self.ended.result()
        try:
            self._transport.write(packed)
        except RuntimeError as error:  # uvloop's word for a socket that the other side has reset
            raise redis.ConnectionError(f"the connection was closed: {error}") from error

    def abort(self, cause: redis.ConnectionError) -> None:
        """Whatever is on its way is not waited for."""
        self._end(cause)
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Of the transport."""
        self.last_read_s = self._loop.time()
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _INCOMPLETE:
                self._on_reply(answer)
        except redis.InvalidResponse as error:
            self.abort(redis.ConnectionError(f"no answer of Redis: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Of the transport."""
        # redis-py waits for it when it is to close the connection.
        self._former.connection_lost(error)
        self._end(redis.ConnectionError(f"the connection was closed: {error or 'by Redis'}"))

    def _end(self, cause: redis.ConnectionError) -> None:
        if not self.ended.done():
            self.ended.set_result(cause)
