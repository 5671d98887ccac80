"""When keys were last used, to some minutes: for their owners, who look for keys that nobody needs."""

import structlog

from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

_log = structlog.get_logger()

APART_MS = 600_000.0
"""Least time between two records of one key's use."""
MAX_KEYS = 10_000


class KeyUses:
    """Uses that are still to be recorded."""

    def __init__(self) -> None:
        self._recorded_ms: dict[str, float] = {}
        self._due: dict[str, int] = {}

    def note(self, id: str) -> None:
        """Note that a key is used; most uses are not worth a record."""
        now_ms = wall_ms()
        if now_ms - self._recorded_ms.get(id, 0.0) >= APART_MS:
            self._due[id] = int(now_ms)

    async def record(self, store: KeyStore) -> None:
        """Record what is due; what cannot be recorded stays due."""
        due = dict(self._due)
        if not due:
            return
        try:
            await store.record_use(due)
        except SttError as error:
            _log.warning("use of keys not recorded", cause=error.message)
            return
        for id, at_ms in due.items():
            self._recorded_ms.pop(id, None)
            self._recorded_ms[id] = at_ms
            if self._due.get(id) == at_ms:
                del self._due[id]
        while len(self._recorded_ms) > MAX_KEYS:
            del self._recorded_ms[next(iter(self._recorded_ms))]
