"""Quota of stored transcripts: those that a key has made, and those that what it has under way is going to make.

What is stored counts in the database, so a deletion gives back at once; files under way are unfinished jobs, and live
sessions under way hold places. Nothing that has begun is stopped or left out.
"""

import contextlib
from collections.abc import AsyncIterator

from stt_gateway.core.requests.principal import Principal, reach_of
from stt_gateway.keys.limits import KeyLimits
from stt_gateway.keys.places import Place, Places
from stt_gateway.store.interface import TranscriptStore
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus


class StoredQuota:
    """The quota at this gateway. Calls raise SttError quota_exceeded or unavailable, and Redis errors."""

    def __init__(self, bus: Bus, store: TranscriptStore, limits: KeyLimits, places: Places) -> None:
        self._bus = bus
        self._store = store
        self._limits = limits
        self._places = places

    async def left_for_files(self, principal: Principal) -> int | None:
        """Return how many files of the key may be unfinished at a time, at least one; None without a quota."""
        if not (limit := self.limit(principal)):
            return None
        stored, sessions = await self._kept(principal)
        if (left := limit - stored - sessions) <= 0:
            raise used_up(limit)
        return left

    async def check_files(self, principal: Principal) -> None:
        """Check that one more file may come."""
        left = await self.left_for_files(principal)
        if left is not None and await self._bus.jobs.unfinished_of(job_client(principal)) >= left:
            raise used_up(self.limit(principal))

    @contextlib.asynccontextmanager
    async def session(self, principal: Principal) -> AsyncIterator[Place | None]:
        """Hold a place for a live session that is to be stored; None without a quota.

        The place must be renamed to the id of the transcript, which may be stored while the session goes on.
        """
        if not (limit := self.limit(principal)):
            yield None
            return
        stored, _ = await self._kept(principal)
        left = limit - stored - await self._bus.jobs.unfinished_of(job_client(principal))
        if left <= 0:
            raise used_up(limit)
        async with self._places.held(keys.storing_sessions(principal.key_id), None, left, used_up(limit)) as place:
            yield place

    async def _kept(self, principal: Principal) -> tuple[int, int]:
        """Return how many transcripts are stored, without those of open sessions, and how many sessions are open."""
        open_now = await self._bus.quotas.names_at(keys.storing_sessions(principal.key_id), wall_ms())
        return await self._store.of(reach_of(principal.maker)).count(without=open_now), len(open_now)

    def limit(self, principal: Principal) -> int:
        """Return the quota of a key; 0 without."""
        return (self._limits.quotas(principal).stored_transcripts or 0) if principal.key_id else 0


def job_client(principal: Principal) -> str:
    """Return the name by which the jobs of a key take turns with those of others."""
    return f"key:{principal.key_id}"


def used_up(limit: int) -> SttError:
    """Return the error for a key that has as many transcripts as it may."""
    message = f"this key may have {limit} transcripts (quota stored_transcripts), those under way included; delete some"
    return SttError("quota_exceeded", message)
