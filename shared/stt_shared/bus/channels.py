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
from typing import Any

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

    def may_have_missed(self) -> None:
        """Called by the hub when the connection was new."""
        self._may_miss = True
        self._wake()

    async def get(self, timeout_s: float) -> bytes | None:
        """The next message; None after ``timeout_s`` without one, or when the log must be read. For one reader."""
        if not self._messages and not self._may_miss:
            # By hand: asyncio.timeout costs several times as much, and this is done for every message.
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(timeout_s, self._wake)
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


class ChannelHub:
    """Spreads one subscriber connection over many inboxes. Use as an async context manager."""

    def __init__(self, client: Redis, own_channel: str) -> None:
        self._client = client
        self._pubsub = client.pubsub(push_handler_func=_as_it_is)
        self._own_channel = own_channel
        self._inboxes: dict[str, set[Inbox]] = {}
        self._subscribed: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._wishes_changed = False
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
        self._wishes_changed = True
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
                self._wishes_changed = True

    async def _follow_wishes(self) -> None:
        """Only the reader subscribes: a second task would reconnect while this one reads, and take its answers."""
        if not self._wishes_changed:
            return
        self._wishes_changed = False
        for channel in self._subscribed - self._inboxes.keys():
            self._confirmed.pop(channel, None)
            await self._pubsub.unsubscribe(channel)
            self._subscribed.discard(channel)
        for channel in self._inboxes.keys() - self._subscribed:
            await self._pubsub.subscribe(channel)
            self._subscribed.add(channel)

    async def _response(self, *, after: Any) -> Any:
        """The next response, None after a second without any. ``after``: what this answered last."""
        connection: Any = self._pubsub.connection
        if after is not None and connection is not None and connection.is_connected:
            # Messages are flowing: nothing needs to be checked or mended before the next one.
            return await connection.read_response(timeout=1.0, disconnect_on_error=False, push_request=True)
        return await self._pubsub.parse_response(block=False, timeout=1.0)

    async def _read(self) -> None:
        response: Any = None
        while True:
            try:
                await self._follow_wishes()
                response = await self._response(after=response)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("subscriber connection lost", cause=str(error))
                self._wishes_changed = True
                response = None
                await asyncio.sleep(0.2)
                continue
            if response is None:
                continue
            kind, channel = response[0], response[1].decode()
            if kind == b"message":
                # Not through handle_message, which costs more than all the rest of a message's way.
                for inbox in self._inboxes.get(channel, ()):
                    inbox.put(response[2])
                continue
            await self._pubsub.handle_message(response)  # type: ignore[no-untyped-call]
            if kind == b"subscribe":
                confirmed = self._confirmed.get(channel)
                if confirmed is not None and not confirmed.is_set():
                    confirmed.set()
                for inbox in self._inboxes.get(channel, ()):
                    # Also the answer to a silent resubscription: whatever was published meanwhile is in the log only.
                    inbox.may_have_missed()


async def _as_it_is(response: Any) -> Any:
    """redis-py's own handler writes every message out as text, for a debug log that nobody reads."""
    return response
