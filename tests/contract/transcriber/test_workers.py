"""The transcriber's shell on a real server, with an engine that answers at once: sessions, files, failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis
from support.fake_vad import LoudnessVad
from support.job_harness import no_speaker_model
from support.wiring import open_bus, read_state
from support.word_a_second import WordASecond

from stt_shared.contracts.events import Done, Error, Event, Final, Gap, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, StreamError, frame_from_entry
from stt_shared.contracts.jobs import JobConfig, JobResult
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys, job_keys, session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.session_state import DecoderPosition, SessionState
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.files.cutter import FileCutter
from stt_transcriber.files.voices import ChunkVoiceReader
from stt_transcriber.files.worker import ChunkWorker
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.worker import LiveWorker

pytestmark = pytest.mark.contract


@pytest.fixture
def engine() -> WordASecond:
    return WordASecond()


@pytest.fixture
async def bus(redis_client: Redis, engine: WordASecond) -> AsyncIterator[Bus]:
    """A running transcriber: sessions, jobs, chunks."""
    await redis_client.set(keys.replica_alive("t1"), 1)
    async with open_bus(redis_client, "t1") as bus, ModelPool(engine) as pool:
        policy = LivePolicy()
        guard = CrashGuard(bus)
        live = LiveWorker(LiveParts(bus, pool, LoudnessVad, policy, 60.0, guard))
        cutter = FileCutter(bus, LoudnessVad, policy, guard)
        chunks = ChunkWorker(bus, pool, "t1", 2, guard, ChunkVoiceReader(no_speaker_model, 1))
        stages = [
            StageWorker(
                bus,
                source,
                stage=keys.STAGE_TRANSCRIBER,
                replica_id="t1",
                capacity=4,
                handle=handle,
                deletes=True,
            )
            for source, handle in (
                (SESSIONS, live.handle),
                (JOBS, cutter.handle),
            )
        ]
        running = [asyncio.create_task(work) for work in (*(stage.run() for stage in stages), chunks.run())]
        yield bus
        for task in running:
            await cancel_and_wait(task)
        for stage in stages:
            await stage.drain(1)


@asynccontextmanager
async def listening(client: Redis, at: StreamKeys) -> AsyncIterator["asyncio.Task[list[Event]]"]:
    async with open_bus(client) as bus:

        async def collect() -> list[Event]:
            events: list[Event] = []
            async with asyncio.timeout(20):
                async for item in bus.sessions.read_events(at, "e", 0).items():
                    if item is None:
                        continue
                    events.append(decode_event(item.body))
                    if isinstance(events[-1], Done | Error):
                        return events
            raise AssertionError

        task = asyncio.create_task(collect())
        yield task
        await cancel_and_wait(task)


async def opened(client: Redis, bus: Bus, session_id: str, **config: Any) -> Ownership:
    at = session_keys(session_id)
    await bus.sessions.open(at, "e", encode_json(SessionConfig(**config)), 0, 60)
    await client.xadd(keys.SESSIONS_WAITING, {"id": session_id, "epoch": "e"})
    return Ownership(at, "e")


def frames(*parts: tuple[float, bool]) -> list[Frame]:
    """Loud and silent parts in frames of 100 ms, and STOP."""
    made: list[Frame] = []
    position = 0
    for seconds, loud in parts:
        for _ in range(round(seconds * 10)):
            samples = np.full(1600, 8000 if loud else 0, np.int16)
            made.append(Frame(len(made) + 1, FrameKind.AUDIO, samples.tobytes(), FrameMeta(1.0, start_sample=position)))
            position += 1600
    return [*made, Frame(len(made) + 1, FrameKind.STOP)]


async def play(bus: Bus, owner: Ownership, all_frames: list[Frame]) -> None:
    for frame in all_frames:
        while await bus.sessions.append_pcm(owner, frame, consumed=0) is WriteResult.FULL:
            await asyncio.sleep(0.01)


async def test_a_session_from_its_first_frame_to_done(redis_client: Redis, bus: Bus) -> None:
    owner = await opened(redis_client, bus, "s")
    async with listening(redis_client, owner.keys) as events:
        await play(bus, owner, frames((0.5, False), (2, True), (1, False), (1.5, True)))
        heard = await events
    kinds = [type(event).__name__ for event in heard if type(event).__name__ != "Partial"]
    # The audio comes faster than the model is: the first final may come after the second speech has begun.
    assert sorted(kinds[2:-1]) == ["Final", "Final", "SpeechEnded", "SpeechStarted"]
    assert (kinds[:2], kinds[-1]) == (["SpeechStarted", "SpeechEnded"], "Done")
    assert [event.event for event in heard] == sorted({event.event for event in heard})
    assert [event.utterance for event in heard if isinstance(event, Final)] == [1, 2]
    done = heard[-1]
    assert isinstance(done, Done)
    assert (done.finals, done.duration_ms) == (2, 5000)
    assert {"vad", "buffer", "infer", "emit"} <= set(done.timings_ms)
    assert not await redis_client.exists(owner.keys.pcm_log, owner.keys.audio_log), "no audio is left"


async def test_the_log_keeps_all_that_a_successor_hears_again(redis_client: Redis, bus: Bus) -> None:
    owner = await opened(redis_client, bus, "s")
    sound = frames((0.5, False), (2, True), (1, False), (2, True))
    async with listening(redis_client, owner.keys) as events:
        await play(bus, owner, sound[:-1])
        async with asyncio.timeout(10):
            while (state := SessionState.read(await read_state(redis_client, owner.keys))).finals == 0:
                await asyncio.sleep(0.02)
        heard = state.context.hearing
        assert heard is not None
        assert state.committed_samples % 16 == 0
        assert heard.position <= state.committed_samples
        kept = await read_pcm_log(redis_client, owner.keys)
        assert kept[0].seq == state.committed_seq + 1
        assert kept[0].meta.start_sample <= heard.position < state.committed_samples
        assert heard.position - kept[0].meta.start_sample < 1600 + 512, "and hardly more than that"
        await play(bus, owner, sound[-1:])
        await events


async def read_pcm_log(client: Redis, at: StreamKeys) -> list[Frame]:
    entries = await client.xrange(at.pcm_log)
    return [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]


async def test_a_full_log_with_nothing_to_decode_ends_the_session(
    redis_client: Redis, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An utterance that can neither end nor be cut, since the log takes no more of it."""
    monkeypatch.setattr("stt_shared.streams.session_state.MAX_PCM_LOG_SAMPLES", 3 * 16000)
    monkeypatch.setattr("stt_transcriber.live.session_runner.DEADLOCKED_MS", 1500.0)
    owner = await opened(redis_client, bus, "s")
    async with listening(redis_client, owner.keys) as events:
        *sound, _ = frames((4, True))
        for frame in sound:
            end = DecoderPosition(frame.meta.start_sample + 1600, consumed_bytes=0)
            await bus.sessions.append_pcm(owner, frame, consumed=0, decoder=end, max_samples=3 * 16000)
        error = (await events)[-1]
    assert isinstance(error, Error)
    assert (error.code, error.retryable) == ("internal", True)
    assert (await redis_client.hget(owner.keys.state, "state")) == b"done"


async def test_a_log_with_room_may_stay_quiet(redis_client: Redis, bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_transcriber.live.session_runner.DEADLOCKED_MS", 500.0)
    monkeypatch.setattr("stt_transcriber.live.session_runner.UNFINISHED_MS", 500.0)
    owner = await opened(redis_client, bus, "s")
    sound = frames((2, True))
    async with listening(redis_client, owner.keys) as events:
        await play(bus, owner, sound[:-1])
        await asyncio.sleep(2.5)
        assert not events.done()
        await play(bus, owner, sound[-1:])
        assert isinstance((await events)[-1], Done)


async def test_audio_that_is_not_decoded_after_stop_ends_the_session(
    redis_client: Redis, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_transcriber.live.session_runner.UNFINISHED_MS", 500.0)
    owner = await opened(redis_client, bus, "s")
    gateway = Ownership(owner.keys, "e", keys.STAGE_GATEWAY, 1)
    async with listening(redis_client, owner.keys) as events:
        await play(bus, owner, frames((2, True))[:-1])
        assert await bus.sessions.append_audio(gateway, Frame(1, FrameKind.STOP)) is WriteResult.OK
        error = (await events)[-1]
    assert isinstance(error, Error)
    assert (error.code, error.retryable) == ("no_worker", True)


async def test_an_engine_that_fails_ends_no_session(redis_client: Redis, bus: Bus, engine: WordASecond) -> None:
    owner = await opened(redis_client, bus, "s", store=True)
    engine.broken = True
    async with listening(redis_client, owner.keys) as events:
        sound = frames((2, True), (1, False), (2, True))
        await play(bus, owner, sound[:30])
        await asyncio.sleep(0.5)
        engine.broken = False
        await play(bus, owner, sound[30:])
        heard = await events
    assert [event.utterance for event in heard if isinstance(event, Final)] == [1], "what was heard is still said"
    (gap,) = [event for event in heard if isinstance(event, Gap)]
    assert (gap.cause, gap.from_ms) == ("speech_not_recognized", 0)
    waiting = await redis_client.xrange(keys.TRANSCRIPTS_WAITING)
    assert [fields[b"kind"] for _, fields in waiting] == [b"unrecognized", b"utterance"]
    assert isinstance(heard[-1], Done)


async def test_a_superseded_session_is_left_alone(redis_client: Redis, bus: Bus) -> None:
    owner = await opened(redis_client, bus, "s")
    await play(bus, owner, frames((1, True))[:-1])
    await bus.sessions.open(owner.keys, "e2", encode_json(SessionConfig()), 0, 60)
    await asyncio.sleep(1.5)
    assert await redis_client.xlen(owner.keys.results_log) == 0
    assert await redis_client.xlen(keys.SESSIONS_WAITING) == 0, "its former owner has let it go"


async def test_an_error_of_an_earlier_stage_reaches_the_client(redis_client: Redis, bus: Bus) -> None:
    owner = await opened(redis_client, bus, "s")
    async with listening(redis_client, owner.keys) as events:
        stop = Frame(1, FrameKind.STOP, meta=FrameMeta(error=StreamError("bad_audio", "no such codec")))
        await bus.sessions.append_pcm(owner, stop, consumed=0)
        heard = await events
    (error,) = heard
    assert isinstance(error, Error)
    assert (error.code, error.message, error.retryable) == ("bad_audio", "no such codec", False)


async def test_a_long_file_is_cut_and_put_together_in_order(redis_client: Redis, bus: Bus, engine: WordASecond) -> None:
    at = job_keys("j" * 32)
    await bus.sessions.open(at, "e", msgspec.json.encode(JobConfig("j" * 32)), 0, 60)
    await redis_client.hset(at.state, mapping={"status": "queued", "progress": 0})
    await redis_client.xadd(keys.JOBS_WAITING, {"id": at.id, "epoch": "e"})
    await play(bus, Ownership(at, "e"), frames(*[(9.0, True), (1.0, False)] * 12))
    async with asyncio.timeout(20):
        while (await redis_client.hget(at.state, "status")) != b"completed":
            await asyncio.sleep(0.05)
    fields = await read_state(redis_client, at)
    result = msgspec.json.decode(fields[b"result"], type=JobResult)
    assert result.duration == 120.0
    starts = [segment.start for segment in result.segments]
    assert starts == sorted(starts)
    assert [segment.id for segment in result.segments] == list(range(len(starts)))
    assert len(engine.lengths) >= 4
    assert max(engine.lengths) <= 28.0
    assert not await redis_client.exists(at.pcm_log, keys.job_parts(at.id))
    assert await redis_client.xlen(keys.JOB_CHUNKS) == 0
