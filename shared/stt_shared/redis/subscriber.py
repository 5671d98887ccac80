"""Subscriber connection: keeps its subscriptions, checks that it still delivers, and reconnects.

A connection whose other end vanished without closing it ("half-open") looks quiet forever. After a quiet period the
subscriber therefore publishes to its own channel over the same connection; the echo shows that both directions and the
subscription work. Without an echo, the connection is closed.
"""

import asyncio
import contextlib
from typing import Any, Protocol

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.connection import RawConnection
from stt_shared.redis.outage import UNREACHABLE, NotPermitted, must_reconnect

_log = structlog.get_logger()

PROBE_AFTER_S = 0.8
"""Quiet time after which a connection is probed; if it stays quiet for as long again, it is dead. Less than two
seconds together."""
_LAST_LOOK_S = 0.05
"""Additional wait in case this process itself was stalled and the echo is still unread in the socket."""
_RETRY_S = 0.2

_CONFIRMED = {b"subscribe", b"ssubscribe"}
_MESSAGES = {b"message", b"smessage"}


class SubscriberCallbacks(Protocol):
    """Receiver of the messages and state changes of a subscriber connection."""

    def on_message(self, channel: str, payload: bytes) -> None:
        """Handle a message."""

    def on_subscribed(self, channel: str) -> None:
        """Handle a confirmed subscription, perhaps a repeated one; messages published before it may be missing."""

    def on_connection_lost(self, subscriber: "Subscriber") -> None:
        """Handle the loss of the connection, and of messages with it."""

    def on_moved(self, subscriber: "Subscriber") -> None:
        """Handle channels that have moved away from this node."""


class Subscriber:
    """Subscriber with a separate connection to one server. ``subscriptions``: channels that it should be subscribed to.

    ``sharded``: channels have a slot like keys (SSUBSCRIBE), except for the process's own channel.
    """

    def __init__(
        self, client: Redis, own_channel: str, listener: SubscriberCallbacks, *, sharded: bool, probes: bool = True
    ) -> None:
        self._own_channel = own_channel
        self._listener = listener
        self._subscribe = "SSUBSCRIBE" if sharded else "SUBSCRIBE"
        self._unsubscribe = "SUNSUBSCRIBE" if sharded else "UNSUBSCRIBE"
        self._probes = probes
        # Not from the pool: it is never returned and must not count towards the connections available to commands.
        self._connection: Any = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._wire: RawConnection | None = None
        self._watching: asyncio.Task[None] | None = None
        self.subscriptions: set[str] = set()

    async def start(self) -> None:
        """Connect. Raises redis.ConnectionError or redis.TimeoutError."""
        self._wire = await self._connect()
        self._watching = asyncio.create_task(self._run(), name="subscriber")

    async def stop(self) -> None:
        """Close the connection."""
        if self._watching:
            await cancel_and_wait(self._watching)
        self._wire = None
        await self._connection.disconnect(nowait=True)

    async def subscribe(self, channel: str) -> None:
        """Subscribe now, or after reconnecting; ``SubscriberCallbacks.on_subscribed`` confirms it."""
        self.subscriptions.add(channel)
        self._send(self._subscribe, channel)

    async def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from ``channel``."""
        self.subscriptions.discard(channel)
        self._send(self._unsubscribe, channel)

    def _send(self, *command: str | bytes) -> None:
        if self._wire is not None:
            # The watch handles a failure: all channels are subscribed to on the next connection.
            with contextlib.suppress(redis.ConnectionError):
                self._wire.send(b"".join(self._connection.pack_command(*command)))

    async def _connect(self) -> RawConnection:
        await self._connection.connect()
        wire = RawConnection(self._connection, self._on_reply)
        # One command per channel: in a cluster, the channels of one command must share a slot.
        commands = [("SUBSCRIBE", self._own_channel), *((self._subscribe, channel) for channel in self.subscriptions)]
        wire.send(b"".join(self._connection.pack_commands(commands)))
        return wire

    async def _run(self) -> None:
        while True:
            try:
                if self._wire is None:
                    self._wire = await self._connect()
                await self._watch(self._wire)
            except UNREACHABLE as error:
                _log.warning("subscriber connection lost", cause=str(error))
            self._wire = None
            with contextlib.suppress(*UNREACHABLE):
                await self._connection.disconnect(nowait=True)
            self._listener.on_connection_lost(self)
            await asyncio.sleep(_RETRY_S)

    async def _watch(self, wire: RawConnection) -> None:
        """Watch the connection until it is dead, then raise redis.ConnectionError."""
        while True:
            await _quiet(wire, PROBE_AFTER_S)
            if not self._probes:
                raise await wire.ended
            asked_s = wire.last_read_s
            self._send("PUBLISH", self._own_channel, b"")
            if self._subscribe == "SUBSCRIBE":
                # Deletes nothing. A server that has become a replica, and may receive no more messages, refuses it.
                self._send("DEL", self._own_channel)
            for patience_s in (PROBE_AFTER_S, _LAST_LOOK_S):
                await asyncio.wait({wire.ended}, timeout=patience_s)
                if wire.last_read_s > asked_s or wire.ended.done():
                    break
            else:
                raise redis.ConnectionError("half-open: it does not deliver any more")

    def _on_reply(self, response: Any) -> None:
        if isinstance(response, list):
            self._dispatch(response)
        elif isinstance(response, redis.exceptions.MovedError):
            self._listener.on_moved(self)
        elif must_reconnect(response) or isinstance(response, NotPermitted):
            # Without the right to a channel too: it is subscribed to again until the right is given back.
            if self._wire is not None:
                self._wire.abort(response)
        elif isinstance(response, redis.ResponseError):
            _log.error("subscription refused", cause=str(response))

    def _dispatch(self, response: list[Any]) -> None:
        kind, channel = response[0], response[1].decode()
        if kind in _MESSAGES:
            self._listener.on_message(channel, response[2])
        elif kind in _CONFIRMED:
            self._listener.on_subscribed(channel)
        elif kind == b"sunsubscribe" and channel in self.subscriptions:
            # Not requested by this side: the slot has moved to another node.
            self._listener.on_moved(self)


async def _quiet(wire: RawConnection, quiet_s: float) -> None:
    """Return when nothing was received for ``quiet_s``. Raises the cause when the connection ends."""
    loop = asyncio.get_running_loop()
    while (left_s := wire.last_read_s + quiet_s - loop.time()) > 0 or wire.ended.done():
        if wire.ended.done():
            raise wire.ended.result()
        await asyncio.wait({wire.ended}, timeout=left_s)
