"""Live messages: one subscriber connection per process (and node of a cluster), shared by all sessions.

Pub/sub delivers at most once, and a connection may be lost. So an inbox never promises to have everything: it says when
something may be missing (``Inbox.get`` answers None), and its reader then looks into the log (streams/reader.py).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.cluster import as_cluster
from stt_shared.redis.subscriber import Subscriber

_log = structlog.get_logger()

_ROUNDS, _QUIET_ROUNDS = 60, 4
_ROUND_S = 0.5
"""When something in a cluster has moved, channels are looked after for so many rounds at most; until all have been in
their places for a few."""

MAX_INBOX = 256
"""Messages waiting for one reader; beyond that they are dropped here and read from the log later."""


class Inbox:
    """Messages of one channel, for one reader."""

    def __init__(self) -> None:
        # Once: Python 3.11 makes a system call each time.
        self._loop = asyncio.get_running_loop()
        self._messages: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._may_miss = False

    def put(self, payload: bytes) -> None:
        """Called by the hub."""
        if len(self._messages) >= MAX_INBOX:
            self._messages.clear()
            self._may_miss = True
        elif not self._may_miss:
            self._messages.append(payload)
        self._wake()

    def mark_incomplete(self) -> None:
        """Called by the hub when the connection was new."""
        self._may_miss = True
        self._wake()

    async def get(self, timeout_s: float) -> bytes | None:
        """The next message; None after ``timeout_s`` without one, or when the log must be read. For one reader."""
        if not self._messages and not self._may_miss:
            # By hand: asyncio.timeout costs several times as much, and this is done for every message.
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
    """Who has inboxes to give: the hub, or who passes on what the hub hears."""

    def listen(self, channel: str) -> contextlib.AbstractAsyncContextManager[Inbox]:
        """An inbox for ``channel``; entered only after Redis confirmed the subscription."""


class ChannelHub:
    """Spreads subscriber connections over many inboxes. Use as an async context manager.

    ``sharded``: messages are published with SPUBLISH; on a cluster they always are. ``probes``: look after a quiet
    connection (see redis/subscriber.py).
    """

    def __init__(self, client: Redis, own_channel: str, *, sharded: bool = False, probes: bool = True) -> None:
        self._client = client
        self._cluster = as_cluster(client)
        self._sharded = sharded or self._cluster is not None
        self._probes = probes
        self._own_channel = own_channel
        self._inboxes: dict[str, set[Inbox]] = {}
        self._confirmed: dict[str, asyncio.Event] = {}
        self._subscribers: dict[str, Subscriber] = {}  # by node; '' is the one server
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
        """An inbox for ``channel``; entered only after Redis confirmed the subscription."""
        inbox = Inbox()
        inboxes = self._inboxes.setdefault(channel, set())
        inboxes.add(inbox)
        try:
            confirmed = self._confirmed.setdefault(channel, asyncio.Event())
            with contextlib.suppress(TimeoutError, redis.ConnectionError, redis.TimeoutError):
                # Unconfirmed (Redis away): the subscriber does it on reconnection, and the inbox is told then.
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

    def on_message(self, channel: str, payload: bytes) -> None:
        """Called by a subscriber."""
        for inbox in self._inboxes.get(channel, ()):
            inbox.put(payload)

    def on_subscribed(self, channel: str) -> None:
        """Called by a subscriber. Also after a new connection: whatever was published meanwhile is in the log only."""
        confirmed = self._confirmed.get(channel)
        if confirmed is not None:
            confirmed.set()
        for inbox in self._inboxes.get(channel, ()):
            inbox.mark_incomplete()

    def on_connection_lost(self, subscriber: Subscriber) -> None:
        """Called by a subscriber."""
        for channel in subscriber.subscriptions:
            for inbox in self._inboxes.get(channel, ()):
                inbox.mark_incomplete()
        self.on_moved(subscriber)

    def on_moved(self, subscriber: Subscriber) -> None:
        """Called by a subscriber: in a cluster its channels may be at another node now."""
        if self._cluster is not None and (self._moving is None or self._moving.done()):
            self._moving = asyncio.create_task(self._move_channels(), name="channels of a cluster")

    async def _subscribe_at_node(self, channel: str) -> None:
        try:
            subscriber = await self._subscriber_at(await self._node_of(channel))
        except (redis.ConnectionError, redis.TimeoutError):
            if self._cluster is None:
                raise
            # The node is away: the cluster will tell who has its slots.
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
        """Brings every channel to the node that has it now; a slot on its way, or a node just gone, takes a while."""
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
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("channels not where they belong yet", cause=str(error))
                quiet = 0
            if quiet == _QUIET_ROUNDS:
                return
            await asyncio.sleep(_ROUND_S)

    async def _move_channel(self, channel: str, node: str, subscriber: Subscriber) -> bool:
        right = await self._node_of(channel)
        if channel not in subscriber.subscriptions:
            return False  # not wanted any more
        if right == node:
            await subscriber.subscribe(channel)
            return False
        target = await self._subscriber_at(right)
        subscriber.subscriptions.discard(channel)
        await target.subscribe(channel)
        return True

    async def _leave_nodes(self, known: set[str]) -> None:
        """Subscribers to nodes that are no longer in the cluster would try to reach them for ever."""
        for node, subscriber in list(self._subscribers.items()):
            if node not in known and not subscriber.subscriptions and len(self._subscribers) > 1:
                del self._subscribers[node]
                await subscriber.stop()
