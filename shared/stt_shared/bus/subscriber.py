"""One subscriber connection: what is subscribed over it, whether it still delivers, and making it anew.

A connection whose other end is gone without a word ("half-open") looks like a quiet one for ever. So after a quiet
moment the subscriber publishes to its own channel, over the same connection; what comes back shows that both ways and
the subscription are well. Nothing back: the connection is given up.
"""

import asyncio
import contextlib
from typing import Any, Protocol

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.tasks import cancel_and_wait

_log = structlog.get_logger()

PROBE_AFTER_S = 0.8
"""Quiet for so long: probe. Still quiet after as long again: dead. Together less than two seconds."""
_LAST_LOOK_S = 0.05
"""If this process itself stood still, the echo lies in the socket and has not been looked at."""
_RETRY_S = 0.2

_CONFIRMED = {b"subscribe", b"ssubscribe"}
_MESSAGES = {b"message", b"smessage"}


class Listener(Protocol):
    """Who is told what came over a subscriber connection."""

    def heard(self, channel: str, payload: bytes) -> None:
        """A message."""

    def confirmed(self, channel: str) -> None:
        """Subscribed, perhaps anew: what was published before may be missing."""

    def lost(self, subscriber: "Subscriber") -> None:
        """The connection is gone, and messages with it."""

    def displaced(self, subscriber: "Subscriber") -> None:
        """Channels are not at this node any more."""


class Subscriber:
    """A connection of its own to one server. ``wishes``: the channels that it is to be subscribed to.

    ``sharded``: channels have a slot as keys have (SSUBSCRIBE); the process's own channel never has.
    """

    def __init__(
        self, client: Redis, own_channel: str, listener: Listener, *, sharded: bool, probes: bool = True
    ) -> None:
        self._own_channel = own_channel
        self._listener = listener
        self._subscribe = "SSUBSCRIBE" if sharded else "SUBSCRIBE"
        self._unsubscribe = "SUNSUBSCRIBE" if sharded else "UNSUBSCRIBE"
        self._probes = probes
        # Not out of the pool: it is never given back, and must not count among those that commands wait for.
        self._connection: Any = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._live = False
        self._reader: asyncio.Task[None] | None = None
        self.wishes: set[str] = set()

    async def start(self) -> None:
        """Connects. Raises redis.ConnectionError or redis.TimeoutError."""
        await self._connect()
        self._reader = asyncio.create_task(self._run(), name="subscriber")

    async def stop(self) -> None:
        """Ends the connection."""
        if self._reader:
            await cancel_and_wait(self._reader)
        self._live = False
        await self._connection.disconnect(nowait=True)

    async def wish(self, channel: str) -> None:
        """Subscribes now, or as soon as there is a connection again; ``Listener.confirmed`` tells."""
        self.wishes.add(channel)
        await self._say(self._subscribe, channel)

    async def unwish(self, channel: str) -> None:
        """Nothing more of ``channel``."""
        self.wishes.discard(channel)
        await self._say(self._unsubscribe, channel)

    async def _say(self, *command: str) -> None:
        """Only over a connection that is whole: a second task must not make it anew beside the reader."""
        if self._live and self._connection.is_connected:
            # A failure is the reader's business: it subscribes to all wishes on the next connection.
            with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                await self._connection.send_command(*command, check_health=False)

    async def _connect(self) -> None:
        await self._connection.connect()
        # redis-py's own handler writes every message out as text, for a debug log that nobody reads.
        self._connection._parser.set_pubsub_push_handler(_as_it_is)
        # One command a channel: in a cluster those of one command must share a slot.
        commands = [("SUBSCRIBE", self._own_channel), *((self._subscribe, channel) for channel in self.wishes)]
        self._live = True
        await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)

    async def _run(self) -> None:
        while True:
            try:
                if not self._live:
                    await self._connect()
                await self._read()
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("subscriber connection lost", cause=str(error))
            self._live = False
            with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                await self._connection.disconnect(nowait=True)
            self._listener.lost(self)
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        """Takes what comes until the connection is dead, which it raises as redis.ConnectionError."""
        asked = False
        while True:
            try:
                response = await self._next(PROBE_AFTER_S)
                if response is None and asked:
                    response = await self._next(_LAST_LOOK_S)
                    if response is None:
                        raise redis.ConnectionError("half-open: it does not deliver any more")
            except redis.exceptions.MovedError:
                self._listener.displaced(self)
                continue
            except redis.ResponseError as error:
                _log.error("subscription refused", cause=str(error))
                continue
            if response is None:
                asked = self._probes
                if asked:
                    await self._connection.send_command("PUBLISH", self._own_channel, b"", check_health=False)
                continue
            asked = False
            if isinstance(response, list):
                self._take(response)

    async def _next(self, timeout_s: float) -> Any:
        return await self._connection.read_response(timeout=timeout_s, disconnect_on_error=False, push_request=True)

    def _take(self, response: list[Any]) -> None:
        kind, channel = response[0], response[1].decode()
        if kind in _MESSAGES:
            self._listener.heard(channel, response[2])
        elif kind in _CONFIRMED:
            self._listener.confirmed(channel)
        elif kind == b"sunsubscribe" and channel in self.wishes:
            # Not on our wish: the slot has moved to another node.
            self._listener.displaced(self)


async def _as_it_is(response: Any) -> Any:
    return response
