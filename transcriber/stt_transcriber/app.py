"""Service process of the transcriber: its engine, its workers and what it reports."""

import asyncio
import contextlib
from functools import partial

import structlog

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.services import ServiceName, TranscriberWork
from stt_shared.process.cpus import cpu_set_id, usable_cpus
from stt_shared.process.memory import memory_limit_bytes
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import SHARED_UNCUT_JOBS
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.rebalance import keep_balanced
from stt_shared.work.service import Figures, ReplicaState, Workers, run_replica
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker
from stt_transcriber.core.schedule.pacing import draft_ms
from stt_transcriber.core.schedule.places import MOST_PLACES, Places
from stt_transcriber.decode.measuring import keep_measured, measure_first
from stt_transcriber.decode.memory import keep_trimmed
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.engines.base import Engine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.files.cutter import FileCutter
from stt_transcriber.files.voices import ChunkVoiceReader
from stt_transcriber.files.worker import ChunkWorker
from stt_transcriber.live.capacity import Capacity
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.worker import LiveWorker
from stt_transcriber.settings import TranscriberSettings
from stt_transcriber.speakers.registry import LazySpeakerModel
from stt_transcriber.turn.model import load_turn_model
from stt_transcriber.vad.models import load_vad

_log = structlog.get_logger()

MAX_JOBS_CUT = 2 * SHARED_UNCUT_JOBS
"""Files that one replica cuts at once: those of one client, and as many of others."""


class _Report:
    """Figures of this replica; its parts are set once they exist."""

    def __init__(self, settings: TranscriberSettings) -> None:
        self._settings = settings
        self.engine: Engine | None = None
        self.pool: ModelPool | None = None
        self.sessions: StageWorker | None = None
        self.capacity: Capacity | None = None
        self.speakers: LazySpeakerModel | None = None

    def figures(self) -> Figures:
        """Return the current figures; the replica is stalled when a decode runs for too long."""
        decode_s = self.pool.longest_running_s if self.pool else 0.0
        stalled = decode_s > self._settings.stall_after_s
        return Figures(
            sessions=self.sessions.running if self.sessions else 0,
            capacity=self.capacity.count.places if self.capacity else 0,
            stall=f"a decode has been running for {decode_s:.0f} s" if stalled else "",
            detail={
                "model": self._settings.whisper_model,
                "work": self._settings.work,
                "engine": self.engine.name if self.engine else self._settings.whisper_engine,
                "languages": list(self.engine.languages) if self.engine else [],
                "speakers": self.speakers.is_installed if self.speakers else False,
                "max_utterance_s": self._settings.max_utterance_s,
                "workers": self._settings.workers(),
                "cpus": usable_cpus(),
                "cpu_set": cpu_set_id(),
                "memory_limit_bytes": memory_limit_bytes(),
                "places": self.capacity.detail if self.capacity else {},
                "decodes_running": self.pool.scheduler.running if self.pool else 0,
                "decodes_waiting": self.pool.scheduler.waiting if self.pool else 0,
            },
        )


async def run(settings: TranscriberSettings) -> None:
    """Serve until SIGTERM or SIGINT. Raises redis.ConnectionError, EngineError or ModelError when it cannot start."""
    report = _Report(settings)
    replica = ReplicaState(ServiceName.TRANSCRIBER, report.figures)
    replica.starting = "loading the model"
    await run_replica(replica, settings, partial(_build, settings, report, replica.id))


async def _build(
    settings: TranscriberSettings, report: _Report, replica_id: str, bus: Bus, stack: contextlib.AsyncExitStack
) -> Workers:
    engine = report.engine = await asyncio.to_thread(_load_engine, settings)
    new_vad = await asyncio.to_thread(load_vad, settings.vad)
    speed = await asyncio.to_thread(measure_first, engine)
    turn = (
        None
        if settings.whisper_engine is EngineName.INSTANT
        else await asyncio.to_thread(load_turn_model, settings.models_dir)
    )
    policy = settings.policy(has_turn_model=turn is not None, hears_earlier=engine.hears_earlier)
    speakers = report.speakers = LazySpeakerModel(settings.models_dir)
    pool = report.pool = await stack.enter_async_context(
        ModelPool(
            engine,
            judge_turn=turn.probability if turn else None,
            hear_voices=lambda samples, windows: speakers.get().voices(samples, windows),
            min_interval_ms=policy.partial_interval_ms,
            max_interval_ms=policy.max_partial_interval_ms,
            draft_ms=draft_ms(speed.encode_ms),
        )
    )
    guard = CrashGuard(bus)
    live = LiveWorker(LiveParts(bus, pool, new_vad, policy, settings.session_silence_s, guard, speakers.get))
    cutter = FileCutter(bus, new_vad, policy, guard)
    voices = ChunkVoiceReader(speakers.get, settings.workers())
    chunks = ChunkWorker(bus, pool, replica_id, settings.worker_concurrency, guard, voices)
    stage = partial(StageWorker, bus, stage=keys.STAGE_TRANSCRIBER, replica_id=replica_id, deletes=True)
    most = settings.max_sessions or MOST_PLACES
    sessions = report.sessions = stage(SESSIONS, capacity=most, handle=live.handle, may_move=live.may_move)
    jobs = stage(JOBS, capacity=MAX_JOBS_CUT, handle=cutter.handle)
    intake = {"memory": keep_trimmed(), "speed": keep_measured(pool, speed)}
    if settings.work is not TranscriberWork.FILES:
        capacity = report.capacity = Capacity(Places(pool.load), live, sessions, settings.max_sessions)
        intake |= {
            "sessions": sessions.run(),
            "balance": keep_balanced(bus, sessions, replica_id, ServiceName.TRANSCRIBER),
            "capacity": capacity.keep_updated(),
            "machine share": capacity.keep_shared(bus),
        }
    if settings.work is not TranscriberWork.LIVE:
        intake |= {"jobs": jobs.run(), "chunks": chunks.run()}

    _log.info("model loaded", model=engine.model, engine=engine.name, workers=engine.parallel)
    return Workers(
        intake=intake,
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
