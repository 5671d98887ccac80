"""Detached sessions: their connection was lost, and they can be resumed for a while here or at another gateway."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from stt_gateway.live.session import Session
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.outage import UNREACHABLE, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys

_log = structlog.get_logger()

_LISTEN_S = 60.0


class DetachedSessions:
    """Detached sessions of this gateway; each is stopped when it is not resumed in time, or, oldest first, when its
    place is needed.

    The write that stops a session is fenced: once another connection has the session, it changes nothing.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sessions: dict[Session, float] = {}  # time of detachment (wall clock, ms), oldest first
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def detail(self) -> dict[str, float]:
        """Details for the heartbeat, by which other gateways know of these sessions; empty without any."""
        since_ms = next(iter(list(self._sessions.values())), None)
        return {} if since_ms is None else {"parked": len(self._sessions), "parked_since_ms": since_ms}

    def add(self, session: Session) -> None:
        """Keep a session whose connection was lost without the client having ended it."""
        self._sessions[session] = wall_ms()
        self._start(self._stop_later(session))

    def undo_open(self, bus: Bus, at: StreamKeys, epoch: str) -> None:
        """Delete, as soon as Redis answers, a session that may have been opened although its client was refused."""
        self._start(self._undo_open(bus, at, epoch))

    async def displace_oldest(self) -> bool:
        """Stop the oldest session that no other connection has; its audio so far still gets its finals.

        Returns False if there is none. Raises Redis errors.
        """
        while session := next(iter(self._sessions), None):
            del self._sessions[session]
            if await session.is_ours():
                _log.info("detached session displaced", session_id=session.id)
                self._start(session.abandon())
                return True
        return False

    async def serve(self, bus: Bus, replica_id: str) -> None:
        """Stop sessions when other gateways ask for room. Runs until cancelled."""
        async with bus.channels.listen(keys.gateway_displace(replica_id)) as inbox:
            while True:
                if await inbox.get(_LISTEN_S) is None:
                    continue
                try:
                    await self.displace_oldest()
                except UNREACHABLE as error:
                    _log.warning("detached session not displaced: redis unavailable", cause=str(error))

    async def close(self) -> None:
        """Cancel all pending work; the sessions stay as they are, for another gateway."""
        await cancel_and_wait(*self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="detached session")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _undo_open(self, bus: Bus, at: StreamKeys, epoch: str) -> None:
        try:
            undone = await until_answered(lambda: bus.sessions.undo_open(at, epoch), patience_s=self._window_s)
        except SttError as error:
            _log.warning("opening not undone: redis unavailable", session_id=at.id, cause=error.message)
        else:
            _log.info("opening undone", session_id=at.id, existed=undone)

    async def _stop_later(self, session: Session) -> None:
        await asyncio.sleep(self._window_s)
        if self._sessions.pop(session, None) is not None:
            await session.abandon()
