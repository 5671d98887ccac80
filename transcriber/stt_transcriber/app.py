"""Service process of the transcriber: its engine, its workers and what it reports."""

import asyncio
import contextlib
from functools import partial

import structlog

from stt_shared.contracts.services import ServiceName
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.rebalance import keep_balanced
from stt_shared.work.service import Figures, ReplicaState, Workers, run_replica
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

MAX_JOBS_CUT = 4


class _Report:
    """Figures of this replica; its parts are set once they exist."""

    def __init__(self, settings: TranscriberSettings) -> None:
        self._settings = settings
        self.engine: Engine | None = None
        self.pool: ModelPool | None = None
        self.sessions: StageWorker | None = None
        self.live: LiveWorker | None = None
        self.places = 0

    def figures(self) -> Figures:
        """Return the current figures; the replica is stalled when a decode runs for too long."""
        decode_s = self.pool.longest_running_s if self.pool else 0.0
        stalled = decode_s > self._settings.stall_after_s
        return Figures(
            sessions=self.sessions.running if self.sessions else 0,
            capacity=self._capacity(),
            stall=f"a decode has been running for {decode_s:.0f} s" if stalled else "",
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
        if self.sessions is None or self.live is None or self.live.has_room:
            return self.places
        return min(self.places, max(1, self.sessions.running))


async def run(settings: TranscriberSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises redis.ConnectionError, EngineError or ModelError when it cannot start."""
    report = _Report(settings)
    replica = ReplicaState(ServiceName.TRANSCRIBER, report.figures)
    replica.starting = "loading the model"
    await run_replica(replica, settings.redis_url, partial(_build, settings, report, replica.id))


async def _build(
    settings: TranscriberSettings, report: _Report, replica_id: str, bus: Bus, stack: contextlib.AsyncExitStack
) -> Workers:
    engine = report.engine = await asyncio.to_thread(_load_engine, settings)
    new_vad = await asyncio.to_thread(load_vad, settings.vad)
    speed = await asyncio.to_thread(measure_first, engine)
    report.places = settings.max_sessions or speed.places
    policy = settings.policy()
    pool = report.pool = await stack.enter_async_context(
        ModelPool(
            engine,
            min_interval_ms=policy.partial_interval_ms,
            max_interval_ms=policy.max_partial_interval_ms,
            draft_ms=draft_ms(speed.encode_ms),
        )
    )
    guard = CrashGuard(bus)
    live = report.live = LiveWorker(LiveParts(bus, pool, new_vad, policy, settings.session_silence_s, guard))
    cutter = FileCutter(bus, new_vad, policy, guard)
    chunks = ChunkWorker(bus, pool, replica_id, settings.worker_concurrency, guard)
    stage = partial(StageWorker, bus, stage=keys.STAGE_TRANSCRIBER, replica_id=replica_id, deletes=True)
    sessions = report.sessions = stage(SESSIONS, capacity=report.places, handle=live.handle, may_move=live.may_move)
    jobs = stage(JOBS, capacity=MAX_JOBS_CUT, handle=cutter.handle)

    def resize(places: int) -> None:
        if not settings.max_sessions:
            report.places = places
            sessions.resize(places)

    _log.info("model loaded", model=engine.model, engine=engine.name, workers=engine.parallel, places=report.places)
    return Workers(
        intake={
            "sessions": sessions.run(),
            "jobs": jobs.run(),
            "chunks": chunks.run(),
            "balance": keep_balanced(bus, sessions, replica_id, ServiceName.TRANSCRIBER),
            "memory": keep_trimmed(),
            "speed": keep_measured(pool, speed, resize),
        },
        hand_over=lambda: asyncio.gather(sessions.hand_over(), jobs.hand_over(), chunks.drain(0)),
        in_hand=lambda: {"sessions": sessions.running, "jobs": jobs.running, "chunks": chunks.running},
    )


def _load_engine(settings: TranscriberSettings) -> Engine:
    return load_engine(
        settings.whisper_engine,
        settings.whisper_model,
        settings.models_dir,
        device=settings.device,
        compute_type=settings.compute_type,
        workers=settings.workers(),
        threads=settings.threads_per_worker(),
        max_batch=settings.draft_batch,
    )
