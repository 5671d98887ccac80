"""Service process: connections, heartbeat, intake of sessions and file jobs, and a shutdown that loses none."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog
from prometheus_client import generate_latest

from stt_audio.codecs.memory import MemoryGuard
from stt_audio.files.jobs import FileJobs
from stt_audio.files.spool import sweep_for_ever
from stt_audio.live.sessions import SERVICE, LiveSessions
from stt_audio.settings import AudioSettings
from stt_shared.process import gc
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import LoopMonitor, cancel_and_wait, stop_signal
from stt_shared.redis.client import wait_until_ready
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.heartbeat import Heartbeat, new_replica_id
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker

_log = structlog.get_logger()

REDIS_WAIT_S = 10.0
STALLED_AFTER_S = 5.0


class _Replica:
    """State of this process as its heartbeat reports it; read from the heartbeat's thread."""

    def __init__(self, replica_id: str, capacity: int) -> None:
        self.id = replica_id
        self.watch = LoopMonitor()
        self.sessions: StageWorker | None = None
        self.jobs: StageWorker | None = None
        self.draining = False
        self._capacity = capacity
        self._started_ms = int(wall_ms())

    def describe(self) -> ReplicaStatus:
        """Return the current state; an event loop that is blocked for too long is ``stalled``."""
        standstill_s = self.watch.blocked_s
        state = "draining" if self.draining else "ready"
        reason = ""
        if standstill_s > STALLED_AFTER_S:
            state, reason = "stalled", f"the event loop has stood still for {standstill_s:.0f} s"
        return ReplicaStatus(
            id=self.id,
            service=SERVICE,
            state=state,
            started_ms=self._started_ms,
            sessions=self.sessions.running if self.sessions else 0,
            capacity=self._capacity,
            reason=reason,
            detail={"jobs": self.jobs.running if self.jobs else 0},
        )


async def run(settings: AudioSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises redis.ConnectionError when Redis does not answer at startup."""
    stop = stop_signal()
    await wait_until_ready(settings.redis_url, REDIS_WAIT_S)
    await asyncio.to_thread(settings.spool_dir.mkdir, parents=True, exist_ok=True)
    with (
        MemoryGuard(settings.audio_max_memory_mb << 20),
        ThreadPoolExecutor(settings.decoder_threads, thread_name_prefix="resampler") as executor,
    ):
        await _serve(settings, executor, stop)


async def _serve(settings: AudioSettings, executor: ThreadPoolExecutor, stop: asyncio.Event) -> None:
    replica = _Replica(new_replica_id(SERVICE), settings.audio_max_sessions)
    async with Bus.connect(settings.redis_url, replica.id) as bus:
        # Shared by both: a replica records in one place the sessions and files that it has on probation.
        guard = CrashGuard(bus)
        live = LiveSessions(bus, executor, settings.max_decoded_samples, guard)
        files = FileJobs(bus, settings.spool_dir, settings.max_decoded_samples, guard)
        sessions = replica.sessions = StageWorker(
            bus,
            SESSIONS,
            stage=keys.STAGE_AUDIO,
            replica_id=replica.id,
            capacity=settings.audio_max_sessions,
            handle=live.handle,
            deletes=False,
        )
        jobs = replica.jobs = StageWorker(
            bus,
            JOBS,
            stage=keys.STAGE_AUDIO,
            replica_id=replica.id,
            capacity=settings.audio_max_jobs,
            handle=files.handle,
            deletes=False,
        )
        heartbeat = Heartbeat(settings.redis_url, replica.id, replica.describe, generate_latest)
        heartbeat.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(replica.watch.run(), name="loop watch"),
                    tasks.create_task(sweep_for_ever(bus, settings.spool_dir), name="spool sweeper"),
                ]
                intakes = [tasks.create_task(stage.run(), name="intake") for stage in (sessions, jobs)]
                gc.freeze_gc()
                _log.info("ready", replica=replica.id, capacity=settings.audio_max_sessions)
                await stop.wait()
                replica.draining = True
                _log.info("draining", sessions=sessions.running, jobs=jobs.running)
                await cancel_and_wait(*intakes)
                await asyncio.gather(sessions.hand_over(), jobs.hand_over())
                await cancel_and_wait(*background)
        finally:
            # Last: once heartbeats are missing, other replicas take the work over.
            await asyncio.to_thread(heartbeat.stop)
    _log.info("stopped", replica=replica.id)
