"""Deletes what there is of deleted tenants, in Redis, in the spool folder and in the database, until nothing is left.

Every gateway does it, whoever asked for the deletion, and all of it may be repeated. Work that was under way may still
write something; so a tenant is swept again and again until all that could have been under way is over.
"""

import asyncio
from pathlib import Path

import structlog

from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobStatus
from stt_shared.process.audit import AuditTrail
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

CHECK_EVERY_S = 10.0
"""Interval at which a gateway looks for tenants that another process has deleted."""
SWEEP_EVERY_S = 60.0
SETTLED_S = 2.0 * keys.ENDED_SESSION_TTL_S
"""Time after which nothing of a deleted tenant is under way any more, and what has no index has expired."""


class TenantSweeper:
    """Sweeper of one gateway. ``audit``: where the end of a deletion is recorded."""

    def __init__(self, bus: Bus, deletions: TenantDeletions, spool_dir: Path, audit: AuditTrail) -> None:
        self._bus = bus
        self._deletions = deletions
        self._spool_dir = spool_dir
        self._audit = audit
        self._swept_ms: dict[str, float] = {}
        self._woken = asyncio.Event()

    async def begin(self, tenant: str) -> list[str] | None:
        """Begin to delete a tenant: its keys are revoked at once, the rest follows.

        Returns the ids of its keys; None if there is no such tenant. Raises SttError unavailable.
        """
        ids = await self._deletions.begin(tenant, wall_ms())
        self._swept_ms.pop(tenant, None)
        self._woken.set()
        return ids

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self._sweep_due()
            except SttError as error:
                _log.warning("deleted tenants not swept", cause=error.message)
            except UNREACHABLE as error:
                _log.warning("deleted tenants not swept: redis unavailable", cause=str(error))
            except Exception:
                # The next attempt is due whatever was wrong with this one.
                _log.exception("deleted tenants not swept")
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                continue
            self._woken.clear()

    async def _sweep_due(self) -> None:
        left = await self._deletions.left()
        for tenant, deleted_ms in left.items():
            if monotonic_ms() - self._swept_ms.get(tenant, float("-inf")) >= SWEEP_EVERY_S * 1000:
                began_ms = wall_ms()
                await self.sweep(tenant)
                self._swept_ms[tenant] = monotonic_ms()
                if began_ms - deleted_ms >= SETTLED_S * 1000:
                    await self._deletions.finish(tenant)
                    self._audit.record("tenant_deleted", target={"tenant": tenant})
        self._swept_ms = {tenant: at_ms for tenant, at_ms in self._swept_ms.items() if tenant in left}

    async def sweep(self, tenant: str) -> None:
        """Delete what there is of a tenant now. Raises SttError unavailable, and Redis errors."""
        await self._bus.sessions.delete_of(tenant)
        job_ids = await self._bus.jobs.of_tenant(tenant)
        await self._bus.jobs.delete_dead(job_ids)
        for job_id in job_ids:
            await self._delete_job(job_id)
        await self._bus.jobs.set_known_voices(tenant, [])
        await self._bus.transcripts.delete_of(tenant)
        # The database's rows go last: they are the only index of the conversations.
        for conversation_id in await self._deletions.conversations_of(tenant):
            await self._bus.conversations.delete(tenant, conversation_id)
        removed = await self._deletions.delete_rows(tenant)
        _log.info("deleted tenant swept", rows=removed)

    async def _delete_job(self, job_id: str) -> None:
        jobs = self._bus.jobs
        state = await jobs.state(job_id)
        if state is None:
            return
        if not state.status.is_final:
            await jobs.finish(keys.job_keys(job_id), state.epoch, JobStatus.CANCELLED, now_ms=wall_ms())
        # The audio-processor sweeps the files of jobs that it can find, and those of others only after a while.
        spool_name = state.config.spool_name
        if Path(spool_name).name == spool_name:
            await asyncio.to_thread((self._spool_dir / spool_name).unlink, missing_ok=True)
        await jobs.delete_enrolled_voice(job_id)
        await jobs.delete(job_id)
