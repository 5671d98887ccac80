"""Writer of one gateway from Redis to the transcript store: utterances, and results of jobs.

Delivery is at least once and writes are idempotent, so any gateway may die at any moment.
"""

import asyncio

import structlog

from stt_gateway.store.interface import TranscriptStore
from stt_gateway.store.job_writer import ChargeJob, JobWriter
from stt_gateway.store.retention import Retentions, expiry
from stt_gateway.store.utterance_writer import UtteranceWriter
from stt_shared.contracts.errors import SttError
from stt_shared.process.audit import AuditTrail
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import run_together
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

PURGE_EVERY_S = 60.0


class StoreWriter:
    """Store writer of one gateway. ``retention_days``: of tenants without one of their own, 0 means forever.

    ``audit``: where removals are recorded. ``charge``: as in ``JobWriter``. ``retentions``: those of tenants.
    """

    def __init__(
        self,
        bus: Bus,
        store: TranscriptStore,
        replica_id: str,
        retention_days: float,
        audit: AuditTrail | None = None,
        charge: ChargeJob | None = None,
        retentions: Retentions | None = None,
    ) -> None:
        self._store = store
        self._audit = audit
        self._retention_days = retention_days
        self._retentions = retentions
        self._jobs = JobWriter(bus, store, replica_id, self._expires_ms, charge)
        self._utterances = UtteranceWriter(bus, store, replica_id, self._expires_ms, self._jobs.write)

    async def run(self) -> None:
        """Write until cancelled."""
        await run_together(self._utterances.run(), self._jobs.run())

    async def purge(self) -> None:
        """Remove expired data every minute until cancelled."""
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                if self._retentions is not None:
                    await self._retentions.apply(self._retention_days)
                removed = await self._store.purge_expired(wall_ms())
            except SttError as error:
                _log.warning("expired transcripts not removed", cause=error.message)
            else:
                if removed and self._audit is not None:
                    self._audit.record("purge_expired", removed=removed)

    def _expires_ms(self) -> int | None:
        return expiry(wall_ms(), self._retention_days)
