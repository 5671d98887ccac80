"""Sessions whose connection was lost: each can be resumed for a while, here or at another gateway."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import redis
import structlog

from stt_gateway.live.session import Session
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import ChannelHub
from stt_shared.streams import keys

_log = structlog.get_logger()

_LISTEN_S = 60.0


class DetachedSessions:
    """Stops a session that nobody has resumed in time, or whose place is needed: the oldest first.

    Its write is fenced: once another connection has the session, it changes nothing.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._parked: dict[Session, float] = {}  # since when (wall clock), oldest first
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._parked)

    @property
    def detail(self) -> dict[str, float]:
        """What other gateways are told of it."""
        since_ms = next(iter(list(self._parked.values())), None)
        return {} if since_ms is None else {"parked": len(self._parked), "parked_since_ms": since_ms}

    def park(self, session: Session) -> None:
        """The connection is gone, without a word that this was the end."""
        self._parked[session] = wall_ms()
        self._start(self._end_later(session))

    async def displace_oldest(self) -> bool:
        """Stops the oldest session, whose audio so far still gets its finals. False: there is none. Raises the errors
        of Redis."""
        while session := next(iter(self._parked), None):
            del self._parked[session]
            if await session.is_ours():
                _log.info("parked session displaced", session_id=session.id)
                self._start(session.abandon())
                return True
        return False

    async def serve(self, hub: ChannelHub, replica_id: str) -> None:
        """Makes room when another gateway asks for it. Runs until cancelled."""
        async with hub.listen(keys.gateway_displace(replica_id)) as inbox:
            while True:
                if await inbox.get(_LISTEN_S) is None:
                    continue
                try:
                    await self.displace_oldest()
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    _log.warning("parked session not displaced: Redis unreachable", cause=str(error))

    async def close(self) -> None:
        """This gateway stops; the sessions stay as they are, for another."""
        await cancel_and_wait(*self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="parked session")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_later(self, session: Session) -> None:
        await asyncio.sleep(self._window_s)
        if self._parked.pop(session, None) is not None:
            await session.abandon()
