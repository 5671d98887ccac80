"""Service process of the transcriber: creates its parts and runs them."""

import asyncio

import structlog
from prometheus_client import generate_latest

from stt_shared.process import gc
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import LoopMonitor, cancel_and_wait, stop_signal
from stt_shared.redis.client import wait_until_ready
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.replicas import ReplicaStatus
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.heartbeat import Heartbeat, new_replica_id
from stt_shared.work.rebalance import keep_balanced
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker
from stt_transcriber.core.schedule.pacing import draft_ms
from stt_transcriber.decode.measuring import keep_measured, measure_first
from stt_transcriber.decode.memory import keep_trimmed
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.cutter import FileCutter
from stt_transcriber.files.worker import ChunkWorker
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.worker import LiveWorker
from stt_transcriber.settings import TranscriberSettings
from stt_transcriber.vad.models import load_vad

_log = structlog.get_logger()

LOOP_STALL_S = 5.0
MAX_JOBS_CUT = 4


class Status:
    """State of this process as its heartbeat reports it; read in the heartbeat's thread."""

    def __init__(self, settings: TranscriberSettings, replica_id: str, watch: LoopMonitor) -> None:
        self._settings = settings
        self._id = replica_id
        self._watch = watch
        self._started_ms = int(wall_ms())
        self.engine: Engine | None = None
        self.pool: ModelPool | None = None
        self.stage: StageWorker | None = None
        self.live: LiveWorker | None = None
        self.places = 0
        self.draining = False

    def describe(self) -> ReplicaStatus:
        """Return the current state; `stalled` when a decode runs for too long or the event loop is blocked."""
        state, reason = "ready", ""
        decode_s = self.pool.longest_running_s if self.pool else 0.0
        if self.engine is None or self.stage is None:
            state, reason = "starting", "loading the model"
        elif self._watch.blocked_s > LOOP_STALL_S:
            state, reason = "stalled", f"the event loop has stood still for {self._watch.blocked_s:.0f} s"
        elif decode_s > self._settings.stall_after_s:
            state, reason = "stalled", f"a decode has been running for {decode_s:.0f} s"
        elif self.draining:
            state, reason = "draining", "stopping"
        return ReplicaStatus(
            id=self._id,
            service="transcriber",
            state=state,
            reason=reason,
            started_ms=self._started_ms,
            sessions=self.stage.running if self.stage else 0,
            capacity=self._capacity(),
            detail={
                "model": self._settings.whisper_model,
                "engine": self.engine.name if self.engine else self._settings.whisper_engine,
                "languages": list(self.engine.languages) if self.engine else [],
                "max_utterance_s": self._settings.max_utterance_s,
                "workers": self._settings.workers(),
                "decodes_running": self.pool.scheduler.running if self.pool else 0,
                "decodes_waiting": self.pool.scheduler.waiting if self.pool else 0,
            },
        )

    def _capacity(self) -> int:
        """Return how many sessions this replica accepts.

        That is the number it has when the model has no time for one more, but at least one: even a busy machine serves
        a single session.
        """
        if self.stage is None or self.live is None or self.live.has_room:
            return self.places
        return min(self.places, max(1, self.stage.running))


async def run(settings: TranscriberSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises redis.ConnectionError or EngineError when it cannot start."""
    stop = stop_signal()
    await wait_until_ready(settings.redis_url, timeout_s=10.0)
    replica_id = new_replica_id("transcriber")
    watch = LoopMonitor()
    status = Status(settings, replica_id, watch)
    heartbeat = Heartbeat(settings.redis_url, replica_id, status.describe, generate_latest)
    heartbeat.start()
    watching = asyncio.create_task(watch.run(), name="loop watch")
    try:
        engine = await asyncio.to_thread(
            load_engine,
            settings.whisper_engine,
            settings.whisper_model,
            settings.models_dir,
            device=settings.device,
            compute_type=settings.compute_type,
            workers=settings.workers(),
            threads=settings.threads_per_worker(),
            max_batch=settings.draft_batch,
        )
        status.engine = engine
        new_vad = await asyncio.to_thread(load_vad, settings.vad)
        policy = settings.policy()
        speed = await asyncio.to_thread(measure_first, engine)
        status.places = settings.max_sessions or speed.places
        pool_of_threads = ModelPool(
            engine,
            min_interval_ms=policy.partial_interval_ms,
            max_interval_ms=policy.max_partial_interval_ms,
            draft_ms=draft_ms(speed.encode_ms),
        )
        async with Bus.connect(settings.redis_url, replica_id) as bus, pool_of_threads as pool:
            guard = CrashGuard(bus)
            live = LiveWorker(LiveParts(bus, pool, new_vad, policy, settings.session_silence_s, guard))
            cutter = FileCutter(bus, new_vad, policy, guard)
            chunks = ChunkWorker(bus, pool, replica_id, settings.worker_concurrency, guard)
            sessions = StageWorker(
                bus,
                SESSIONS,
                stage=keys.STAGE_TRANSCRIBER,
                replica_id=replica_id,
                capacity=status.places,
                handle=live.handle,
                deletes=True,
                may_move=live.may_move,
            )
            jobs = StageWorker(
                bus,
                JOBS,
                stage=keys.STAGE_TRANSCRIBER,
                replica_id=replica_id,
                capacity=MAX_JOBS_CUT,
                handle=cutter.handle,
                deletes=True,
            )
            status.pool, status.stage, status.live = pool, sessions, live
            gc.freeze_gc()
            _log.info(
                "ready",
                replica=replica_id,
                model=engine.model,
                engine=engine.name,
                workers=engine.parallel,
                places=status.places,
            )

            def resize(places: int) -> None:
                if not settings.max_sessions:
                    status.places = places
                    sessions.resize(places)

            balance = keep_balanced(bus, sessions, replica_id, "transcriber")
            intake = [
                asyncio.create_task(work, name=name)
                for name, work in (
                    ("sessions", sessions.run()),
                    ("jobs", jobs.run()),
                    ("chunks", chunks.run()),
                    ("balance", balance),
                    ("memory", keep_trimmed()),
                    ("speed", keep_measured(pool, speed, resize)),
                )
            ]
            stopping = asyncio.create_task(stop.wait(), name="stop signal")
            done, _ = await asyncio.wait({*intake, stopping}, return_when=asyncio.FIRST_COMPLETED)
            status.draining = True
            await cancel_and_wait(*(task for task in (*intake, stopping) if task not in done))
            _log.info("draining", sessions=sessions.running, jobs=jobs.running, chunks=chunks.running)
            await asyncio.gather(sessions.hand_over(), jobs.hand_over(), chunks.drain(0))
            for task in done - {stopping}:
                task.result()
    finally:
        await cancel_and_wait(watching)
        heartbeat.stop()
