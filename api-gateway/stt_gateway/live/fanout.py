"""One subscription per channel for all its viewers at this gateway, so that many viewers cost little and delay nobody.

Messages are passed to a few viewers at a time, because the speaker's own event is sent at the same moment by the same
event loop. One check of the log in a quiet second serves all viewers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import Inbox
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.streams.reader import QUIET_CHECK_S

_log = structlog.get_logger()

EACH_ROUND = 8
"""Viewers served in one round of the event loop; between two rounds the loop polls its sockets."""
HEAD_START_S = 0.003
"""Delay before viewers are served: the speaker's own event is published right after the conversation's."""
VIEWERS_CHECK_S = 30.0
"""Time without messages after which a viewer checks the log itself."""


class Fanout:
    """Counterpart of ChannelHub for many listeners of few channels.

    ``epoch``: returns the epoch of a message, for channels with a log, whose newest entry holds what was published
    last; when the epoch changes, listeners must read the log. None for channels without a log.
    """

    def __init__(self, bus: Bus, epoch: Callable[[bytes], str] | None = None) -> None:
        self._bus = bus
        self._epoch = epoch
        self._relays: dict[str, _Relay] = {}

    @contextlib.asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Inbox]:
        """Provide an inbox for ``channel``; the context is entered only after Redis has confirmed the subscription."""
        relay = self._relays.get(channel)
        if relay is None:
            relay = self._relays[channel] = _Relay(self._bus, channel, self._epoch)
        inbox = _ViewerInbox()
        relay.inboxes[inbox] = None
        try:
            await relay.opened.wait()
            yield inbox
        finally:
            del relay.inboxes[inbox]
            if not relay.inboxes and self._relays.get(channel) is relay:
                del self._relays[channel]
                await cancel_and_wait(relay.task)


class _ViewerInbox(Inbox):
    """Inbox with a long timeout: the relay checks quiet channels for all listeners."""

    async def get(self, timeout_s: float) -> bytes | None:
        return await super().get(max(timeout_s, VIEWERS_CHECK_S))


class _Relay:
    """Subscription to one channel; exists as long as it has listeners."""

    def __init__(self, bus: Bus, channel: str, epoch: Callable[[bytes], str] | None) -> None:
        self._bus = bus
        self._channel = channel
        self._epoch = epoch
        self._last: bytes | None = None
        self.inboxes: dict[Inbox, None] = {}
        self.opened = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="viewers' relay")

    async def _run(self) -> None:
        try:
            async with self._bus.channels.listen(self._channel) as upstream:
                # Read before the first message, so that a new epoch of the conversation is noticed from the start.
                self._last = await self._newest()
                self.opened.set()
                while True:
                    payload = await upstream.get(QUIET_CHECK_S)
                    if payload is None:
                        await self._check_log()
                    else:
                        await asyncio.sleep(HEAD_START_S)
                        await self._forward(payload)
        except Exception:
            # The only catch-all of this channel: its viewers still check the log themselves.
            _log.exception("viewer fanout failed")
        finally:
            self.opened.set()

    async def _forward(self, payload: bytes) -> None:
        is_new_epoch = (
            self._epoch is not None and self._last is not None and self._epoch(payload) != self._epoch(self._last)
        )
        self._last = payload
        for number, inbox in enumerate(list(self.inboxes), start=1):
            if is_new_epoch:
                inbox.mark_incomplete()
            else:
                inbox.put(payload)
            if number % EACH_ROUND == 0:
                await asyncio.sleep(0)

    async def _check_log(self) -> None:
        """Check the log after a quiet interval, or when something may have been missed."""
        newest = await self._newest()
        if newest != self._last:
            self._last = newest
            for inbox in list(self.inboxes):
                inbox.mark_incomplete()

    async def _newest(self) -> bytes | None:
        """Return the newest entry of the log, or the last known one when Redis does not answer."""
        if self._epoch is None:
            return self._last
        try:
            return await self._bus.conversations.newest_message(self._channel)
        except UNREACHABLE as error:
            # A new connection first reports that something may have been missed.
            _log.warning("conversation not checked: redis unavailable", cause=str(error))
            return self._last
