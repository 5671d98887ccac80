"""Keys as a gateway knows them: read from the store once, then remembered for seconds."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from stt_gateway.core.requests.api_key import ApiKey
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms

FRESH_MS = 5_000.0
"""Time for which a key is not read again: no request of a client that goes on waits for the store."""
STALE_MS = 300_000.0
"""Time for which a key that was read is used while the store does not answer."""
MAX_KEYS = 10_000
"""Keys, unknown ones included, that are remembered; beyond that the one that was read first is forgotten."""


@dataclass(frozen=True)
class _Read:
    key: ApiKey | None
    at_ms: float


class KeyRing:
    """Keys of ``store``, each remembered for FRESH_MS."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._read: dict[str, _Read] = {}
        self._reading: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._generation = 0

    def remembered(self, id: str) -> ApiKey | None:
        """Return a key that was read lately, without asking the store."""
        read = self._read.get(id)
        return read.key if read is not None and monotonic_ms() - read.at_ms < STALE_MS else None

    async def get(self, id: str) -> ApiKey | None:
        """Return a key, at most FRESH_MS old; None if there is none. Raises SttError unavailable."""
        read = self._read.get(id)
        if read is not None and monotonic_ms() - read.at_ms < FRESH_MS:
            return read.key
        try:
            # Requests that come together share one read.
            task = self._reading.get(id)
            if task is None:
                task = self._reading[id] = asyncio.create_task(self._fetch(id), name="read key")
                task.add_done_callback(lambda _: self._reading.pop(id, None))
            return await asyncio.shield(task)
        except SttError:
            if (known := self.remembered(id)) is not None:
                return known
            raise

    async def refresh(self, ids: Collection[str]) -> dict[str, ApiKey]:
        """Read these keys again, and return those that exist. Raises SttError unavailable."""
        found = {key.id: key for key in await self._store.get_all(ids)} if ids else {}
        for id in ids:
            self._remember(id, found.get(id))
        return found

    def forget(self, id: str) -> None:
        """Read a key again when it is next used, since it has changed."""
        self._generation += 1
        self._read.pop(id, None)

    async def _fetch(self, id: str) -> ApiKey | None:
        generation = self._generation
        key = await self._store.get(id)
        # What was read before a change must not outlive it.
        if generation == self._generation:
            self._remember(id, key)
        return key

    def _remember(self, id: str, key: ApiKey | None) -> None:
        self._read.pop(id, None)
        self._read[id] = _Read(key, monotonic_ms())
        if len(self._read) > MAX_KEYS:
            del self._read[next(iter(self._read))]
