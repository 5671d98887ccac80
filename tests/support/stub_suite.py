"""The three stages of live sessions in one process, with an engine that answers at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from stt_audio.live.sessions import LiveSessions
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import SESSIONS, StageWorker
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.worker import LiveWorker
from stt_transcriber.speakers.base import SpeakerModel
from support.fake_vad import LoudnessVad
from support.gateway_harness import Gateway, running_gateway, tell_status
from support.job_harness import no_speaker_model
from support.wiring import bus_on, open_bus
from support.word_a_second import WordASecond


@asynccontextmanager
async def worker(client: Redis, stage: str, replica: str, handle: object) -> AsyncIterator[None]:
    await client.set(keys.replica_alive(replica), 1, ex=300)
    runs = StageWorker(
        bus_on(client),
        SESSIONS,
        stage=stage,
        replica_id=replica,
        capacity=4,
        handle=handle,  # type: ignore[arg-type]
        deletes=stage == keys.STAGE_TRANSCRIBER,
    )
    running = asyncio.create_task(runs.run())
    try:
        yield
    finally:
        await cancel_and_wait(running)
        await runs.drain(1)


@asynccontextmanager
async def stub_suite(
    redis_client: Redis,
    redis_url: str,
    tmp_path: Path,
    speaker_model: Callable[[], SpeakerModel] = no_speaker_model,
) -> AsyncIterator[Gateway]:
    """A gateway, an audio-processor and a transcriber with an engine that answers at once."""

    def hear(samples: NDArray[np.float32], windows: Sequence[Span]) -> NDArray[np.float32]:
        return speaker_model().voices(samples, windows)

    for service in ("audio-processor", "transcriber"):
        await tell_status(redis_client, service, capacity=4)
    async with open_bus(redis_client, "t") as bus, ModelPool(WordASecond(), hear_voices=hear) as pool:
        with ThreadPoolExecutor(2) as executor:
            audio = LiveSessions(bus, executor, 16000 * 3600)
            guard = CrashGuard(bus)
            parts = LiveParts(bus, pool, LoudnessVad, LivePolicy(), 60.0, guard, speaker_model)
            async with (
                worker(redis_client, keys.STAGE_AUDIO, "a1", audio.handle),
                worker(redis_client, keys.STAGE_TRANSCRIBER, "t1", LiveWorker(parts).handle),
                running_gateway(redis_client, redis_url, tmp_path) as gateway,
            ):
                yield gateway
