"""Usage of keys on its way from their counters in Redis to the store. Any gateway may die at any moment."""

import asyncio
import contextlib
import uuid

import structlog

from stt_gateway.core.requests.usage import COUNTS, Usage, day_of, days_before
from stt_gateway.store.usage import UsageStore
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.quotas import QuotaCounters

_log = structlog.get_logger()

RECORD_EVERY_S = 10.0
ALL_EVERY_S = 600.0
"""Interval at which the usage that other gateways have counted is recorded as well: they may have died before."""
MAX_NOTED = 10_000


class UsageRecorder:
    """Recorder of what this gateway and others count."""

    def __init__(self, counters: QuotaCounters, store: UsageStore) -> None:
        self._counters = counters
        self._store = store
        self._due: set[tuple[str, str]] = set()
        self._noted: set[tuple[str, str]] = set()

    async def note(self, key_id: str, day: str) -> None:
        """Note that a key is used today. Raises Redis errors."""
        used = (key_id, day)
        if used not in self._noted:
            await self._counters.note_use(key_id, day)
            if len(self._noted) >= MAX_NOTED:
                self._noted.clear()
            self._noted.add(used)
        self._due.add(used)

    async def run(self) -> None:
        """Record until cancelled."""
        loop = asyncio.get_running_loop()
        all_at_s = loop.time()
        while True:
            if is_all := loop.time() >= all_at_s:
                all_at_s = loop.time() + ALL_EVERY_S
            try:
                await self._record(is_all=is_all)
            except SttError as error:
                _log.warning("usage of keys not recorded", cause=error.message)
            except UNREACHABLE as error:
                _log.warning("usage of keys not recorded: redis unavailable", cause=str(error))
            except Exception:
                # Nobody else would record what this gateway counts, so it must continue.
                _log.exception("usage of keys not recorded")
            await asyncio.sleep(RECORD_EVERY_S)

    async def _record(self, *, is_all: bool) -> None:
        noted = await self._counters.uses() if is_all else []
        due, self._due = self._due, set()
        try:
            counted = []
            for key_id, day in {*due, *noted}:
                epoch, counts = await self._counters.counted(key_id, day, uuid.uuid4().hex)
                if epoch:
                    counted.append((Usage(key_id, day, "", **{name: counts.get(name, 0) for name in COUNTS}), epoch))
            if counted:
                await self._store.record(counted)
        except BaseException:
            self._due |= due
            raise
        # Counters of these days are gone or change no more.
        before = days_before(day_of(wall_ms()), 1)
        with contextlib.suppress(*UNREACHABLE):
            for key_id, day in noted:
                if day < before:
                    await self._counters.forget_use(key_id, day)
