"""Service process of the audio-processor: its workers and what it reports."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from stt_audio.files.jobs import FileJobs
from stt_audio.files.spool import sweep_for_ever
from stt_audio.isolation.process import prepare as prepare_decoders
from stt_audio.live.sessions import LiveSessions
from stt_audio.settings import AudioSettings
from stt_shared.contracts.services import ServiceName
from stt_shared.process.folders import prepare_folder
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.service import Figures, ReplicaState, Workers, run_replica
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker


async def run(settings: AudioSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises redis.ConnectionError when Redis does not answer at startup, UnusableFolder without a spool folder.
    """
    replica = ReplicaState(ServiceName.AUDIO_PROCESSOR)
    await run_replica(replica, settings, partial(_build, settings, replica))


async def _build(settings: AudioSettings, replica: ReplicaState, bus: Bus, stack: contextlib.AsyncExitStack) -> Workers:
    await asyncio.to_thread(prepare_folder, settings.spool_dir, "SPOOL_DIR")
    await asyncio.to_thread(prepare_decoders)
    executor = stack.enter_context(ThreadPoolExecutor(settings.decoder_threads, thread_name_prefix="resampler"))
    # Shared by both: a replica records in one place the sessions and files that it has on probation.
    guard = CrashGuard(bus)
    live = LiveSessions(bus, executor, settings.max_decoded_samples, guard)
    files = FileJobs(bus, settings.spool_dir, settings.max_decoded_samples, guard)
    stage = partial(StageWorker, bus, stage=keys.STAGE_AUDIO, replica_id=replica.id, deletes=False)
    sessions = stage(SESSIONS, capacity=settings.audio_max_sessions, handle=live.handle)
    jobs = stage(JOBS, capacity=settings.audio_max_jobs, handle=files.handle)
    replica.figures = lambda: Figures(sessions.running, settings.audio_max_sessions, detail={"jobs": jobs.running})
    return Workers(
        intake={
            "sessions": sessions.run(),
            "jobs": jobs.run(),
            "spool sweeper": sweep_for_ever(bus, settings.spool_dir),
        },
        hand_over=lambda: asyncio.gather(sessions.hand_over(), jobs.hand_over()),
        in_hand=lambda: {"sessions": sessions.running, "jobs": jobs.running},
    )
