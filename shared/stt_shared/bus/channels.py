"""Live messages: one subscriber connection per process, shared by all sessions.

Pub/sub delivers at most once, and redis-py resubscribes after a lost connection without a word. So an inbox never
promises to have everything: it says when something may be missing (``Inbox.get`` answers None), and its reader then
looks into the log (bus/log.py).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.tasks import cancel_and_wait

_log = structlog.get_logger()

MAX_INBOX = 256
"""Messages waiting for one reader; beyond that they are dropped here and read from the log later."""


class Inbox:
    """Messages of one channel, for one reader."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._may_miss = False

    def put(self, payload: bytes) -> None:
        """Called by the hub."""
        if len(self._messages) >= MAX_INBOX:
            self._messages.clear()
            self._may_miss = True
        elif not self._may_miss:
            self._messages.append(payload)
        self._arrived.set()

    def may_have_missed(self) -> None:
        """Called by the hub when the connection was new."""
        self._may_miss = True
        self._arrived.set()

    async def get(self, timeout_s: float) -> bytes | None:
        """The next message; None after ``timeout_s`` without one, or when the log must be read."""
        if not self._messages and not self._may_miss:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        if self._may_miss:
            self._may_miss = False
            return None
        return self._messages.popleft()


class ChannelHub:
    """Spreads one subscriber connection over many inboxes. Use as an async context manager."""

    def __init__(self, client: Redis, own_channel: str) -> None:
        self._client = client
        self._pubsub = client.pubsub()
        self._own_channel = own_channel
        self._inboxes: dict[str, set[Inbox]] = {}
        self._subscribed: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ChannelHub":
        # A pub/sub connection without any subscription cannot be read: the process's own channel keeps it in use.
        await self._pubsub.subscribe(self._own_channel)
        self._reader = asyncio.create_task(self._read(), name="channel hub")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reader:
            await cancel_and_wait(self._reader)
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    @contextlib.asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        """An inbox for ``channel``; entered only after Redis confirmed the subscription."""
        inbox = Inbox()
        inboxes = self._inboxes.setdefault(channel, set())
        inboxes.add(inbox)
        try:
            confirmed = self._confirmed.setdefault(channel, asyncio.Event())
            if not confirmed.is_set():
                # A message to ourselves ends the reader's wait, so that it sees the wish at once.
                with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
                    await self._client.publish(self._own_channel, b"")
            with contextlib.suppress(TimeoutError):
                # Unconfirmed (Redis away): the reader subscribes on reconnection, and the inbox is told then.
                async with asyncio.timeout(2.0):
                    await confirmed.wait()
            yield inbox
        finally:
            inboxes.discard(inbox)
            if not inboxes and self._inboxes.get(channel) is inboxes:
                del self._inboxes[channel]

    async def _follow_wishes(self) -> None:
        """Only the reader subscribes: a second task would reconnect while this one reads, and take its answers."""
        for channel in self._subscribed - self._inboxes.keys():
            self._confirmed.pop(channel, None)
            await self._pubsub.unsubscribe(channel)
            self._subscribed.discard(channel)
        for channel in self._inboxes.keys() - self._subscribed:
            await self._pubsub.subscribe(channel)
            self._subscribed.add(channel)

    async def _read(self) -> None:
        while True:
            try:
                await self._follow_wishes()
                message = await self._pubsub.get_message(ignore_subscribe_messages=False, timeout=1.0)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("subscriber connection lost", cause=str(error))
                await asyncio.sleep(0.2)
                continue
            if message is None:
                continue
            channel = message["channel"].decode()
            if message["type"] == "message":
                for inbox in self._inboxes.get(channel, ()):
                    inbox.put(message["data"])
            elif message["type"] == "subscribe":
                confirmed = self._confirmed.get(channel)
                if confirmed is not None and not confirmed.is_set():
                    confirmed.set()
                for inbox in self._inboxes.get(channel, ()):
                    # Also the answer to a silent resubscription: whatever was published meanwhile is in the log only.
                    inbox.may_have_missed()
