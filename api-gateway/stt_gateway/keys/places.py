"""Places that this gateway holds for what is open with each key, such as streams: renewed until they are given back."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import structlog

from stt_shared.contracts.errors import SttError
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.quotas import LEASE_MS, QuotaCounters

_log = structlog.get_logger()

RENEW_EVERY_S = LEASE_MS / 4000


class Place:
    """One place; connections of one ``name`` share it."""

    def __init__(self, counters: QuotaCounters, at: str, connection: str, held: dict[str, str]) -> None:
        self._counters = counters
        self._at = at
        self._connection = connection
        self._held = held

    async def rename(self, name: str) -> None:
        """Call the place otherwise. Raises Redis errors."""
        self._held[self._connection] = name
        await self._counters.renew_places(self._at, {self._connection: name})


class Places:
    """Places of one gateway. Calls raise Redis errors."""

    def __init__(self, counters: QuotaCounters) -> None:
        self._counters = counters
        self._all: dict[str, dict[str, str]] = {}  # hash in Redis -> connection -> name

    @contextlib.asynccontextmanager
    async def held(self, at: str, name: str | None, limit: int, refusal: SttError) -> AsyncIterator[Place]:
        """Hold one of ``limit`` places in this context. Raises ``refusal`` when all are taken."""
        connection = uuid.uuid4().hex
        name = name or connection
        if not await self._counters.take_place(at, connection, name, limit):
            raise refusal
        held = self._all.setdefault(at, {})
        held[connection] = name
        try:
            yield Place(self._counters, at, connection, held)
        finally:
            del held[connection]
            if not held:
                self._all.pop(at, None)
            # One that cannot be given back is free when its lease is over.
            with contextlib.suppress(*UNREACHABLE):
                await self._counters.leave_place(at, connection)

    async def run(self) -> None:
        """Renew the places until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            for at, names in list(self._all.items()):
                try:
                    await self._counters.renew_places(at, dict(names))
                except UNREACHABLE as error:
                    _log.warning("places not renewed: redis unavailable", cause=str(error))
                    break
