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

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.connection import RawConnection
from stt_shared.redis.outage import must_reconnect

_log = structlog.get_logger()

PROBE_AFTER_S = 0.8
"""Quiet for so long: probe. Still quiet after as long again: dead. Together less than two seconds."""
_LAST_LOOK_S = 0.05
"""If this process itself stood still, the echo lies in the socket and has not been looked at."""
_RETRY_S = 0.2

_CONFIRMED = {b"subscribe", b"ssubscribe"}
_MESSAGES = {b"message", b"smessage"}


class SubscriberCallbacks(Protocol):
    """Who is told what came over a subscriber connection."""

    def on_message(self, channel: str, payload: bytes) -> None:
        """A message."""

    def on_subscribed(self, channel: str) -> None:
        """Subscribed, perhaps anew: what was published before may be missing."""

    def on_connection_lost(self, subscriber: "Subscriber") -> None:
        """The connection is gone, and messages with it."""

    def on_moved(self, subscriber: "Subscriber") -> None:
        """Channels are not at this node any more."""


class Subscriber:
    """A connection of its own to one server. ``subscriptions``: the channels that it is to be subscribed to.

    ``sharded``: channels have a slot as keys have (SSUBSCRIBE); the process's own channel never has.
    """

    def __init__(
        self, client: Redis, own_channel: str, listener: SubscriberCallbacks, *, sharded: bool, probes: bool = True
    ) -> None:
        self._own_channel = own_channel
        self._listener = listener
        self._subscribe = "SSUBSCRIBE" if sharded else "SUBSCRIBE"
        self._unsubscribe = "SUNSUBSCRIBE" if sharded else "UNSUBSCRIBE"
        self._probes = probes
        # Not out of the pool: it is never given back, and must not count among those that commands wait for.
        self._connection: Any = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._wire: RawConnection | None = None
        self._watching: asyncio.Task[None] | None = None
        self.subscriptions: set[str] = set()

    async def start(self) -> None:
        """Connects. Raises redis.ConnectionError or redis.TimeoutError."""
        self._wire = await self._connect()
        self._watching = asyncio.create_task(self._run(), name="subscriber")

    async def stop(self) -> None:
        """Ends the connection."""
        if self._watching:
            await cancel_and_wait(self._watching)
        self._wire = None
        await self._connection.disconnect(nowait=True)

    async def subscribe(self, channel: str) -> None:
        """Subscribes now, or as soon as there is a connection again; ``SubscriberCallbacks.on_subscribed`` tells."""
        self.subscriptions.add(channel)
        self._say(self._subscribe, channel)

    async def unsubscribe(self, channel: str) -> None:
        """Nothing more of ``channel``."""
        self.subscriptions.discard(channel)
        self._say(self._unsubscribe, channel)

    def _say(self, *command: str | bytes) -> None:
        if self._wire is not None:
            # A failure is the watch's business: all wishes are subscribed to on the next connection.
            with contextlib.suppress(redis.ConnectionError):
                self._wire.send(b"".join(self._connection.pack_command(*command)))

    async def _connect(self) -> RawConnection:
        await self._connection.connect()
        wire = RawConnection(self._connection, self._on_reply)
        # One command a channel: in a cluster those of one command must share a slot.
        commands = [("SUBSCRIBE", self._own_channel), *((self._subscribe, channel) for channel in self.subscriptions)]
        wire.send(b"".join(self._connection.pack_commands(commands)))
        return wire

    async def _run(self) -> None:
        while True:
            try:
                if self._wire is None:
                    self._wire = await self._connect()
                await self._watch(self._wire)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("subscriber connection lost", cause=str(error))
            self._wire = None
            with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                await self._connection.disconnect(nowait=True)
            self._listener.on_connection_lost(self)
            await asyncio.sleep(_RETRY_S)

    async def _watch(self, wire: RawConnection) -> None:
        """Until the connection is dead, which it raises as redis.ConnectionError."""
        while True:
            await _quiet(wire, PROBE_AFTER_S)
            if not self._probes:
                raise await wire.ended
            asked_s = wire.last_read_s
            self._say("PUBLISH", self._own_channel, b"")
            if self._subscribe == "SUBSCRIBE":
                # Deletes nothing. A server that has become a replica refuses it, and may get no more messages.
                self._say("DEL", self._own_channel)
            for patience_s in (PROBE_AFTER_S, _LAST_LOOK_S):
                await asyncio.wait({wire.ended}, timeout=patience_s)
                if wire.last_read_s > asked_s or wire.ended.done():
                    break
            else:
                raise redis.ConnectionError("half-open: it does not deliver any more")

    def _on_reply(self, response: Any) -> None:
        if isinstance(response, list):
            self._take(response)
        elif isinstance(response, redis.exceptions.MovedError):
            self._listener.on_moved(self)
        elif must_reconnect(response):
            if self._wire is not None:
                self._wire.abort(response)
        elif isinstance(response, redis.ResponseError):
            _log.error("subscription refused", cause=str(response))

    def _take(self, response: list[Any]) -> None:
        kind, channel = response[0], response[1].decode()
        if kind in _MESSAGES:
            self._listener.on_message(channel, response[2])
        elif kind in _CONFIRMED:
            self._listener.on_subscribed(channel)
        elif kind == b"sunsubscribe" and channel in self.subscriptions:
            # Not on our wish: the slot has moved to another node.
            self._listener.on_moved(self)


async def _quiet(wire: RawConnection, quiet_s: float) -> None:
    """Returns when nothing has come for so long. Raises the cause of the wire's end."""
    loop = asyncio.get_running_loop()
    while (left_s := wire.last_read_s + quiet_s - loop.time()) > 0 or wire.ended.done():
        if wire.ended.done():
            raise wire.ended.result()
        await asyncio.wait({wire.ended}, timeout=left_s)
