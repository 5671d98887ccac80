"""One inbox of a channel for all who follow it at this gateway, so that many viewers cost little and hold nobody up.

What comes is handed on a few viewers at a time: its speaker is told at the same moment, over the same event loop. And
one look at the log in a quiet second serves them all.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import ChannelHub, Inbox
from stt_shared.streams.reader import QUIET_CHECK_S

_log = structlog.get_logger()

EACH_ROUND = 8
"""So many are told in one round of the event loop; between two rounds it looks at its sockets."""
HEAD_START_S = 0.003
"""The speaker's own event is published right behind the conversation's."""
VIEWERS_CHECK_S = 30.0
"""A viewer that hears nothing for so long looks for itself."""


class Fanout:
    """As a ChannelHub, for many listeners of few channels.

    ``client``: where the log beside each channel is looked at, None for channels without one; the newest entry there
    holds what was published last. ``epoch``: of a message; when it changes, listeners must look into the log.
    """

    def __init__(self, hub: ChannelHub, client: Redis | None, epoch: Callable[[bytes], str] = lambda _: "") -> None:
        self._hub = hub
        self._client = client
        self._epoch = epoch
        self._lines: dict[str, _Line] = {}

    @contextlib.asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        """An inbox for ``channel``; entered only after Redis confirmed the subscription."""
        line = self._lines.get(channel)
        if line is None:
            line = self._lines[channel] = _Line(self._hub, self._client, channel, self._epoch)
        inbox = _Patient()
        line.inboxes[inbox] = None
        try:
            await line.opened.wait()
            yield inbox
        finally:
            del line.inboxes[inbox]
            if not line.inboxes and self._lines.get(channel) is line:
                del self._lines[channel]
                await cancel_and_wait(line.task)


class _Patient(Inbox):
    """The relay looks after quiet channels for all."""

    async def get(self, timeout_s: float) -> bytes | None:
        return await super().get(max(timeout_s, VIEWERS_CHECK_S))


class _Line:
    """One channel, as long as anybody listens."""

    def __init__(self, hub: ChannelHub, client: Redis | None, channel: str, epoch: Callable[[bytes], str]) -> None:
        self._hub = hub
        self._client = client
        self._channel = channel
        self._epoch = epoch
        self._last: bytes | None = None
        self.inboxes: dict[Inbox, None] = {}
        self.opened = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="viewers' relay")

    async def _run(self) -> None:
        try:
            async with self._hub.listen(self._channel) as upstream:
                # From the beginning on it is known when the conversation begins anew.
                self._last = await self._newest()
                self.opened.set()
                while True:
                    payload = await upstream.get(QUIET_CHECK_S)
                    if payload is None:
                        await self._look()
                    else:
                        await asyncio.sleep(HEAD_START_S)
                        await self._hand_on(payload)
        except Exception:
            # The one net of this channel: its viewers still look for themselves.
            _log.exception("viewers' relay failed")
        finally:
            self.opened.set()

    async def _hand_on(self, payload: bytes) -> None:
        began_anew = self._last is not None and self._epoch(payload) != self._epoch(self._last)
        self._last = payload
        for number, inbox in enumerate(list(self.inboxes), start=1):
            if began_anew:
                inbox.mark_incomplete()
            else:
                inbox.put(payload)
            if number % EACH_ROUND == 0:
                await asyncio.sleep(0)

    async def _look(self) -> None:
        """It was quiet, or something may have been missed."""
        newest = await self._newest()
        if newest != self._last:
            self._last = newest
            for inbox in list(self.inboxes):
                inbox.mark_incomplete()

    async def _newest(self) -> bytes | None:
        """What the log has last; as far as is known, when Redis does not answer."""
        if self._client is None:
            return self._last
        try:
            entries: Any = await self._client.xrevrange(f"{self._channel}:log", count=1)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            # A new connection's first message is that something may have been missed.
            _log.warning("conversation not looked after: Redis unreachable", cause=str(error))
            return self._last
        return entries[0][1][b"event"] if entries else None
