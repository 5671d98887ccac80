"""Live messages: one subscriber connection per process (and node of a cluster), shared by all sessions.

Pub/sub delivers at most once, and a connection may be lost. An inbox therefore never guarantees completeness: it
reports when a message may be missing (``Inbox.get`` returns None), and its reader then reads the log
(streams/reader.py).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol

import structlog
from redis.asyncio import Redis

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.cluster import as_cluster
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.redis.subscriber import Subscriber

_log = structlog.get_logger()

_ROUNDS, _QUIET_ROUNDS = 60, 4
_ROUND_S = 0.5
"""Maximum rounds in which channels are checked after a change of the cluster, and the consecutive rounds without a move
that end the checks early."""

MAX_INBOX = 256
"""Maximum messages that wait for one reader; beyond it they are dropped here and read from the log later."""


class Inbox:
    """Queue of one channel's messages for one reader."""

    def __init__(self) -> None:
        # Stored, because Python 3.11 makes a system call in each get_running_loop().
        self._loop = asyncio.get_running_loop()
        self._messages: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._may_miss = False

    def put(self, payload: bytes) -> None:
        """Add a message; called by the hub."""
        if len(self._messages) >= MAX_INBOX:
            self._messages.clear()
            self._may_miss = True
        elif not self._may_miss:
            self._messages.append(payload)
        self._wake()

    def mark_incomplete(self) -> None:
        """Record that messages may be missing; called by the hub after a new subscription or a lost connection."""
        self._may_miss = True
        self._wake()

    def clear(self) -> None:
        """Drop the messages that wait, for a reader that only needs to know that something has changed."""
        self._messages.clear()
        self._may_miss = False

    async def get(self, timeout_s: float) -> bytes | None:
        """Return the next message; None after ``timeout_s`` without one, or when the log must be read.

        Only one reader may call this.
        """
        if not self._messages and not self._may_miss:
            # A manual timer, because this runs for every message and asyncio.timeout costs several times as much.
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(timeout_s, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        if self._may_miss:
            self._may_miss = False
            return None
        return self._messages.popleft() if self._messages else None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class InboxSource(Protocol):
    """Source of inboxes: the hub, or an object that forwards the hub's messages."""

    def listen(self, channel: str) -> contextlib.AbstractAsyncContextManager[Inbox]:
        """Return an inbox for ``channel``, entered only after Redis confirmed the subscription."""


class ChannelHub:
    """Distributor of messages from subscriber connections to many inboxes. Use as an async context manager.

    ``sharded``: messages are published with SPUBLISH, as they always are on a cluster. ``probes``: probe a quiet
    connection (see redis/subscriber.py).
    """

    def __init__(self, client: Redis, own_channel: str, *, sharded: bool = False, probes: bool = True) -> None:
        self._client = client
        self._cluster = as_cluster(client)
        self._sharded = sharded or self._cluster is not None
        self.publish_command = "SPUBLISH" if self._sharded else "PUBLISH"
        """Redis command that publishes to these channels."""
        self._probes = probes
        self._own_channel = own_channel
        self._inboxes: dict[str, set[Inbox]] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        self._subscribers: dict[str, Subscriber] = {}  # by node; '' without a cluster
        self._opening = asyncio.Lock()
        self._moving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ChannelHub":
        await self._subscriber_at(await self._node_of(self._own_channel))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._moving:
            await cancel_and_wait(self._moving)
        for subscriber in self._subscribers.values():
            await subscriber.stop()

    @contextlib.asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        """Return an inbox for ``channel``, entered only after Redis confirmed the subscription.

        While Redis is unreachable it is entered unconfirmed after 2 s at most.
        """
        inbox = Inbox()
        inboxes = self._inboxes.setdefault(channel, set())
        inboxes.add(inbox)
        try:
            confirmed = self._confirmed.setdefault(channel, asyncio.Event())
            with contextlib.suppress(TimeoutError, *UNREACHABLE):
                # Unconfirmed (Redis unreachable): the subscriber subscribes on reconnection and then marks the inbox.
                async with asyncio.timeout(2.0):
                    if not confirmed.is_set():
                        await self._subscribe_at_node(channel)
                        await confirmed.wait()
            yield inbox
        finally:
            inboxes.discard(inbox)
            if not inboxes and self._inboxes.get(channel) is inboxes:
                del self._inboxes[channel]
                self._confirmed.pop(channel, None)
                for subscriber in self._subscribers.values():
                    if channel in subscriber.subscriptions:
                        await subscriber.unsubscribe(channel)

    async def publish(self, channel: str, payload: bytes) -> None:
        """Publish a message to the current subscribers of ``channel``; it is not stored."""
        if self._sharded:
            await self._client.spublish(channel, payload)
        else:
            await self._client.publish(channel, payload)

    def on_message(self, channel: str, payload: bytes) -> None:
        """Put a message into the channel's inboxes; called by a subscriber."""
        for inbox in self._inboxes.get(channel, ()):
            inbox.put(payload)

    def on_subscribed(self, channel: str) -> None:
        """Confirm a subscription; called by a subscriber, also after it reconnected.

        Messages that were published in between are in the log only, so the inboxes are marked incomplete.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is not None:
            confirmed.set()
        for inbox in self._inboxes.get(channel, ()):
            inbox.mark_incomplete()

    def on_connection_lost(self, subscriber: Subscriber) -> None:
        """Mark the subscriber's inboxes incomplete and check where its channels are; called by a subscriber."""
        for channel in subscriber.subscriptions:
            for inbox in self._inboxes.get(channel, ()):
                inbox.mark_incomplete()
        self.on_moved(subscriber)

    def on_moved(self, subscriber: Subscriber) -> None:
        """Check which nodes of a cluster serve the channels; called by a subscriber when they may have moved."""
        if self._cluster is not None and (self._moving is None or self._moving.done()):
            self._moving = asyncio.create_task(self._move_channels(), name="channels of a cluster")

    async def _subscribe_at_node(self, channel: str) -> None:
        try:
            subscriber = await self._subscriber_at(await self._node_of(channel))
        except UNREACHABLE:
            if self._cluster is None:
                raise
            # The node is unreachable; the next refresh of the cluster shows which node has its slots.
            subscriber = next(iter(self._subscribers.values()))
            subscriber.subscriptions.add(channel)
            self.on_moved(subscriber)
            raise
        await subscriber.subscribe(channel)

    async def _node_of(self, channel: str) -> str:
        return "" if self._cluster is None else await self._cluster.node_of(channel)

    async def _subscriber_at(self, node: str) -> Subscriber:
        async with self._opening:
            subscriber = self._subscribers.get(node)
            if subscriber is None:
                client = self._client if self._cluster is None else self._cluster.on_node(node)
                subscriber = Subscriber(client, self._own_channel, self, sharded=self._sharded, probes=self._probes)
                await subscriber.start()
                self._subscribers[node] = subscriber
            return subscriber

    async def _move_channels(self) -> None:
        """Move every channel to the node that serves it, repeatedly: a slot's migration or a failover takes a while."""
        assert self._cluster is not None
        quiet = 0
        for _ in range(_ROUNDS):
            try:
                await self._cluster.refresh()
                moved = [
                    await self._move_channel(channel, node, subscriber)
                    for node, subscriber in list(self._subscribers.items())
                    for channel in list(subscriber.subscriptions)
                ]
                await self._leave_nodes({node.name for node in self._cluster.get_nodes()})
                quiet = 0 if any(moved) else quiet + 1
            except UNREACHABLE as error:
                _log.warning("channels not moved yet", cause=str(error))
                quiet = 0
            if quiet == _QUIET_ROUNDS:
                return
            await asyncio.sleep(_ROUND_S)

    async def _move_channel(self, channel: str, node: str, subscriber: Subscriber) -> bool:
        right = await self._node_of(channel)
        if channel not in subscriber.subscriptions:
            return False  # unsubscribed in the meantime
        if right == node:
            await subscriber.subscribe(channel)
            return False
        target = await self._subscriber_at(right)
        subscriber.subscriptions.discard(channel)
        await target.subscribe(channel)
        return True

    async def _leave_nodes(self, known: set[str]) -> None:
        """Stop subscribers of nodes that left the cluster, which would try to reconnect forever."""
        for node, subscriber in list(self._subscribers.items()):
            if node not in known and not subscriber.subscriptions and len(self._subscribers) > 1:
                del self._subscribers[node]
                await subscriber.stop()
