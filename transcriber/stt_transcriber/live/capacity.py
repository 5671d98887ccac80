"""Capacity of this replica, as it is announced to gateways and to other replicas."""

import asyncio

import structlog

from stt_shared.contracts.events import iso_timestamp
from stt_shared.contracts.services import ServiceName
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.cpus import allowed_cpus, cpu_set_id
from stt_shared.process.memory import memory_limit_bytes, resident_bytes
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.work.stage import StageWorker
from stt_transcriber.core.schedule.places import PlaceCount, PlaceLimit, Places, machine_share, memory_room
from stt_transcriber.live.worker import LiveWorker
from stt_transcriber.metrics import PLACES, PLACES_CHANGED, PLACES_LIMIT, SPEAKING

_log = structlog.get_logger()

COUNT_EVERY_S = 0.25
LOOK_EVERY_S = 1.0
_LOGGED_CHANGE = 0.25
"""Share by which the number must have changed to be logged: it follows every session a little."""


class Capacity:
    """Number of sessions that this replica accepts. ``fixed``: the number that the operator has set, 0 for none.

    A number that is not fixed bounds what a replica takes only as long as another one has room for it: whoever was
    admitted is served.
    """

    def __init__(self, places: Places, live: LiveWorker, sessions: StageWorker, fixed: int) -> None:
        self._places = places
        self._live = live
        self._sessions = sessions
        self._fixed = fixed
        self._share = 1.0
        self._logged = 0
        self._changed_ms = wall_ms()
        PLACES_CHANGED.set(self._changed_ms / 1000)
        self.count = PlaceCount(fixed, PlaceLimit.SETTING)
        self.update()

    @property
    def detail(self) -> dict[str, object]:
        """Details for the heartbeat: why there are so many places, and since when."""
        return {
            "limit": self.count.limit,
            "changed_at": iso_timestamp(self._changed_ms),
            "speaking": round(self._places.speaking(monotonic_ms()), 1),
            "draft_ms": round(self._places.draft_ms),
            "machine_share": round(self._share, 2),
        }

    def update(self) -> None:
        """Count the places again, and announce and apply the number."""
        sessions, speaking = self._sessions.running, self._live.speaking
        room = memory_room(memory_limit_bytes(), resident_bytes())
        counted = self._places.count(sessions, speaking, self._share, monotonic_ms(), room)
        before, self.count = self.count, PlaceCount(self._fixed, PlaceLimit.SETTING) if self._fixed else counted
        PLACES.set(self.count.places)
        for limit in PlaceLimit:
            PLACES_LIMIT.labels(limit).set(limit is self.count.limit)
        SPEAKING.set(speaking)
        if self.count.places == before.places:
            return
        self._changed_ms = wall_ms()
        PLACES_CHANGED.set(self._changed_ms / 1000)
        self._sessions.set_preferred(self.count.places)
        if abs(self.count.places - self._logged) > _LOGGED_CHANGE * self._logged:
            _log.info("places changed", places=self.count.places, before=self._logged, **self.detail)
            self._logged = self.count.places

    async def keep_updated(self) -> None:
        """Update several times a second. Runs until cancelled."""
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            self.update()

    async def keep_shared(self, bus: Bus) -> None:
        """Find out which part of the machine other replicas leave to this one. Runs until cancelled."""
        while True:
            try:
                replicas = await bus.replicas.living()
            except UNREACHABLE as error:
                _log.warning("replicas not listed", cause=str(error))
            else:
                transcribers = [each for each in replicas if each.service == ServiceName.TRANSCRIBER]
                self._share = machine_share(cpu_set_id(), allowed_cpus(), transcribers)
            await asyncio.sleep(LOOK_EVERY_S)
