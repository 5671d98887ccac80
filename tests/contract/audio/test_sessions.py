"""A live session's way through the audio-processor on a real server: order, continuity, back-pressure, errors."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
from redis.asyncio import Redis
from support.wiring import bus_on, open_bus, read_state

from stt_audio.live.sessions import LiveSessions
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, StreamError, frame_from_entry
from stt_shared.contracts.session import Encoding, SessionConfig, TakeoverState, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.session_state import MAX_PCM_LOG_SAMPLES
from stt_shared.streams.sessions import Commit
from stt_shared.work.stage import Assignment

pytestmark = pytest.mark.contract

AT = session_keys("s1")
GATEWAY = Ownership(AT, "e1")
TICK_BYTES = 3200


class Bench:
    """One session with its gateway's and its transcriber's hands."""

    def __init__(self, client: Redis, live: LiveSessions) -> None:
        self.client = client
        self.bus = bus_on(client)
        self.live = live
        self._n_sent = 0

    async def open(self, config: SessionConfig) -> None:
        await self.bus.sessions.open(AT, "e1", encode_json(config), 0, keys.SESSION_TTL_S)

    async def assign(self, replica: str = "a", follows: str = "") -> Assignment:
        owner = await self.bus.sessions.claim(AT, "e1", keys.STAGE_AUDIO, replica, follows)
        assert owner is not None
        return Assignment(owner, await read_state(self.client, AT))

    async def send(self, data: bytes = b"", kind: FrameKind = FrameKind.AUDIO) -> None:
        self._n_sent += 1
        frame = Frame(self._n_sent, kind, data, FrameMeta(received_ms=1000.0 + self._n_sent))
        assert await self.bus.sessions.append_audio(GATEWAY, frame) is WriteResult.OK

    async def handled(self, assignment: Assignment) -> None:
        async with asyncio.timeout(20):
            await self.live.handle(assignment)

    @contextlib.asynccontextmanager
    async def handling(self, assignment: Assignment) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.live.handle(assignment))
        try:
            yield task
        finally:
            await cancel_and_wait(task)

    async def log(self) -> list[Frame]:
        entries = await self.client.xrange(AT.pcm_log)
        return [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]

    async def log_of(self, length: int) -> list[Frame]:
        async with asyncio.timeout(10):
            while True:
                if len(frames := await self.log()) >= length:
                    return frames
                await asyncio.sleep(0.01)

    async def field(self, name: str) -> int:
        return int(await self.client.hget(AT.state, name))


@pytest.fixture
async def bench(redis_client: Redis) -> AsyncIterator[Bench]:
    async with open_bus(redis_client) as bus:
        with ThreadPoolExecutor(2) as executor:
            live = LiveSessions(bus, executor, 16000 * 3600)
            yield Bench(redis_client, live)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decoder")]


def noise(n_bytes: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, n_bytes, dtype=np.uint8).tobytes()


def webm(duration_s: float) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for _ in range(round(duration_s * 50)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            frame.sample_rate = 48000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def assert_continuous(frames: list[Frame], *, seq: int = 1, position: int = 0) -> None:
    for frame in frames:
        assert frame.seq == seq
        assert frame.meta.start_sample == position
        assert len(frame.data) <= 32_000
        seq += 1
        position += len(frame.data) // 2


def audio(frames: list[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames)


async def test_bare_samples_pass_unchanged_and_in_order(bench: Bench) -> None:
    await bench.open(SessionConfig())
    data = noise(10 * TICK_BYTES)
    for start in range(0, len(data), TICK_BYTES):
        await bench.send(data[start : start + TICK_BYTES])
    await bench.send(kind=FrameKind.FINALIZE)
    await bench.send(noise(TICK_BYTES, 1))
    await bench.send(kind=FrameKind.IDLE)
    await bench.send(kind=FrameKind.STOP)
    await bench.handled(await bench.assign())
    frames = await bench.log()
    assert_continuous(frames)
    kinds = [frame.kind for frame in frames]
    assert kinds == [FrameKind.AUDIO] * 10 + [FrameKind.FINALIZE, FrameKind.AUDIO, FrameKind.IDLE, FrameKind.STOP]
    assert audio(frames) == data + noise(TICK_BYTES, 1)
    assert [frame.meta.received_ms for frame in frames] == [1001.0 + index for index in range(14)]
    assert all(frame.meta.queue_ms > 0 and frame.meta.sent_ms > 0 and not frame.meta.error for frame in frames)
    assert await bench.field("consumed_seq") == 14
    assert await bench.client.xlen(AT.audio_log) == 0


async def test_frames_are_handled_as_they_come(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign()) as task:
        for index in range(5):
            await bench.send(noise(TICK_BYTES, index))
            assert (await bench.log_of(index + 1))[index].data == noise(TICK_BYTES, index)
        await bench.send(kind=FrameKind.STOP)
        async with asyncio.timeout(5):
            await task


async def test_a_pause_gets_the_resamplers_tail_before_it(bench: Bench) -> None:
    await bench.open(SessionConfig(sample_rate=48000, encoding=Encoding.PCM_F32LE, channels=2))
    second = np.zeros(2 * 48000, "<f4").tobytes()
    for kind in (FrameKind.FINALIZE, FrameKind.IDLE, FrameKind.STOP):
        await bench.send(second)
        await bench.send(kind=kind)
    await bench.handled(await bench.assign())
    frames = await bench.log()
    assert_continuous(frames)
    pauses = [frame for frame in frames if frame.kind is not FrameKind.AUDIO]
    assert [frame.kind for frame in pauses] == [FrameKind.FINALIZE, FrameKind.IDLE, FrameKind.STOP]
    assert [frame.meta.start_sample for frame in pauses] == [16000, 32000, 48000]


async def test_a_long_frame_is_cut_and_released_with_its_last_piece(bench: Bench) -> None:
    await bench.open(SessionConfig())
    await bench.send(noise(80_000))
    async with bench.handling(await bench.assign()):
        frames = await bench.log_of(3)
        assert [len(frame.data) for frame in frames] == [32_000, 32_000, 16_000]
        assert_continuous(frames)
        assert await bench.field("consumed_seq") == 1
        assert await bench.client.xlen(AT.audio_log) == 0


@pytest.mark.parametrize("encoding", [Encoding.WEBM, Encoding.AUTO])
async def test_a_container_is_decoded_promptly_and_to_its_end(bench: Bench, encoding: Encoding) -> None:
    await bench.open(SessionConfig(encoding=encoding))
    data = webm(4.0)
    half = len(data) // 2
    async with bench.handling(await bench.assign()) as task:
        await bench.send(data[:half])
        await bench.send(kind=FrameKind.FINALIZE)
        async with asyncio.timeout(5):
            while True:
                frames = await bench.log()
                if frames and frames[-1].kind is FrameKind.FINALIZE:
                    break
                await asyncio.sleep(0.01)
        assert 1.5 < len(audio(frames)) / 32_000 < 2.1
        await bench.send(data[half:])
        await bench.send(kind=FrameKind.STOP)
        async with asyncio.timeout(5):
            await task
    frames = await bench.log()
    assert_continuous(frames)
    assert frames[-1].kind is FrameKind.STOP
    assert not frames[-1].meta.error
    assert len(audio(frames)) / 32_000 == pytest.approx(4.0, abs=0.05)


async def test_a_container_that_was_announced_as_samples_is_decoded_with_a_warning(bench: Bench) -> None:
    await bench.open(SessionConfig())
    await bench.send(webm(2.0))
    await bench.send(kind=FrameKind.STOP)
    await bench.handled(await bench.assign())
    assert len(audio(await bench.log())) / 32_000 == pytest.approx(2.0, abs=0.05)
    ((_, fields),) = await bench.client.xrange(AT.results_log)
    assert b"encoding_detected" in b"".join(fields.values())


async def test_samples_of_another_format_end_with_the_remedy(bench: Bench) -> None:
    await bench.open(SessionConfig())
    await bench.send(np.random.default_rng(0).normal(0, 0.1, 8000).astype("<f4").tobytes())
    await bench.handled(await bench.assign())
    (stop,) = await bench.log()
    assert stop.meta.error is not None
    assert stop.meta.error.code == "bad_audio"
    assert "encoding=pcm_f32le" in stop.meta.error.message


async def test_a_full_log_holds_the_session_back(bench: Bench) -> None:
    await bench.open(SessionConfig())
    n_fit = MAX_PCM_LOG_SAMPLES // 16000
    for index in range(n_fit):
        await bench.send(noise(32_000, index))
    async with bench.handling(await bench.assign()) as task:
        await bench.log_of(n_fit)
        for index in range(10):
            await bench.send(noise(32_000, index))
        await bench.send(kind=FrameKind.STOP)
        await asyncio.sleep(0.2)
        assert await bench.field("pcm_seq") == n_fit
        assert await bench.client.xlen(AT.audio_log) == 11
        transcriber = await bench.bus.sessions.claim(AT, "e1", keys.STAGE_TRANSCRIBER, "t")
        assert transcriber is not None
        await bench.bus.sessions.commit(transcriber, Commit(20 * 16000, 20, TakeoverState()))
        async with asyncio.timeout(5):
            await task
    frames = await bench.log()
    assert_continuous(frames, seq=21, position=20 * 16000)
    assert len(frames) == n_fit - 20 + 11


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stt_audio.live.sessions.UNSERVED_S", 0.5)
    monkeypatch.setattr("stt_audio.pcm_writer._LOOK_EVERY_MS", 100.0)


async def fill(bench: Bench) -> None:
    await bench.open(SessionConfig())
    for index in range(MAX_PCM_LOG_SAMPLES // 16000 + 1):
        await bench.send(noise(32_000, index))


@pytest.mark.usefixtures("short_patience")
async def test_a_full_log_without_a_transcriber_ends_with_its_reason(bench: Bench) -> None:
    await fill(bench)
    await bench.handled(await bench.assign())
    *heard, last = await bench.log()
    assert len(heard) == MAX_PCM_LOG_SAMPLES // 16000
    assert (last.kind, last.meta.error) == (
        FrameKind.STOP,
        StreamError("no_worker", "no transcriber took the audio for 0.5 s"),
    )


@pytest.mark.usefixtures("short_patience")
async def test_a_full_log_waits_for_a_transcriber_that_lives(bench: Bench) -> None:
    await fill(bench)
    assert await bench.bus.sessions.claim(AT, "e1", keys.STAGE_TRANSCRIBER, "t") is not None
    await bench.client.set(keys.replica_alive("t"), 1)
    async with bench.handling(await bench.assign()) as task:
        await bench.log_of(MAX_PCM_LOG_SAMPLES // 16000)
        await asyncio.sleep(1.5)
        assert not task.done()


async def test_rubbish_ends_the_session_with_its_reason(bench: Bench) -> None:
    await bench.open(SessionConfig(encoding=Encoding.WEBM))
    await bench.send(noise(5000))
    await bench.handled(await bench.assign())
    (frame,) = await bench.log()
    assert frame.kind is FrameKind.STOP
    assert frame.meta.error is not None
    assert frame.meta.error.code == "bad_audio"
    assert frame.meta.error.message.startswith("the stream was announced as webm but")


async def test_what_was_heard_before_an_error_is_kept(bench: Bench) -> None:
    await bench.open(SessionConfig())
    bench.live._max_decoded_samples = 16000
    for index in range(11):
        await bench.send(noise(TICK_BYTES, index))
    await bench.handled(await bench.assign())
    frames = await bench.log()
    assert_continuous(frames)
    assert len(audio(frames)) == 32_000
    assert frames[-1].meta.error == StreamError("too_large", "the audio is longer than the 1 s that are allowed")


async def test_a_successor_goes_on_where_the_log_ends(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign("a")):
        for index in range(5):
            await bench.send(noise(TICK_BYTES, index))
        await bench.log_of(5)
    await bench.send(noise(TICK_BYTES, 5))
    await bench.send(kind=FrameKind.STOP)
    await bench.handled(await bench.assign("b", follows="a"))
    frames = await bench.log()
    assert_continuous(frames)
    assert audio(frames) == b"".join(noise(TICK_BYTES, index) for index in range(6))
    await bench.handled(await bench.assign("c", follows="b"))  # all is said: a third one adds nothing
    assert await bench.log() == frames


async def test_what_a_former_owner_decoded_counts_towards_the_limit(bench: Bench) -> None:
    await bench.open(SessionConfig())
    bench.live._max_decoded_samples = 16000
    async with bench.handling(await bench.assign("a")):
        for index in range(6):
            await bench.send(noise(TICK_BYTES, index))
        await bench.log_of(6)
    for index in range(6, 11):
        await bench.send(noise(TICK_BYTES, index))
    await bench.handled(await bench.assign("b", follows="a"))
    frames = await bench.log()
    assert len(audio(frames)) == 32_000
    assert frames[-1].meta.error == StreamError("too_large", "the audio is longer than the 1 s that are allowed")


async def test_a_successor_finds_the_position_when_all_was_committed(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign("a")):
        await bench.send(noise(TICK_BYTES))
        await bench.log_of(1)
    transcriber = await bench.bus.sessions.claim(AT, "e1", keys.STAGE_TRANSCRIBER, "t")
    assert transcriber is not None
    await bench.bus.sessions.commit(transcriber, Commit(1600, 1, TakeoverState()))
    assert await bench.log() == []
    await bench.send(noise(TICK_BYTES, 1))
    await bench.send(kind=FrameKind.STOP)
    await bench.handled(await bench.assign("b", follows="a"))
    assert_continuous(await bench.log(), seq=2, position=1600)


async def test_the_former_owner_leaves_without_a_word(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign("a")) as former:
        await bench.send(noise(TICK_BYTES))
        await bench.log_of(1)
        await bench.assign("b", follows="a")
        await bench.send(noise(TICK_BYTES))
        async with asyncio.timeout(5):
            await former
    assert len(await bench.log()) == 1


async def test_lost_connections_lose_no_audio(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign()) as task:
        for index in range(30):
            if index % 10 == 5:
                await bench.client.client_kill_filter(_type="pubsub", skipme=True)
                await bench.client.client_kill_filter(_type="normal", skipme=True)
            await bench.send(noise(TICK_BYTES, index))
        await bench.send(kind=FrameKind.STOP)
        async with asyncio.timeout(10):
            await task
    frames = await bench.log()
    assert_continuous(frames)
    assert audio(frames) == b"".join(noise(TICK_BYTES, index) for index in range(30))


async def test_a_session_that_ended_elsewhere_is_left(bench: Bench) -> None:
    await bench.open(SessionConfig())
    async with bench.handling(await bench.assign()) as task:
        await bench.send(noise(TICK_BYTES))
        await bench.log_of(1)
        await bench.client.delete(AT.state, AT.audio_log, AT.pcm_log)
        async with asyncio.timeout(5):  # nothing comes any more: seen by looking after a quiet second
            await task


async def test_a_hole_in_the_ingest_log_is_an_error(bench: Bench) -> None:
    await bench.open(SessionConfig())
    for index in range(3):
        await bench.send(noise(TICK_BYTES, index))
    await bench.client.xdel(AT.audio_log, "2-0")
    await bench.handled(await bench.assign())
    frames = await bench.log()
    assert [frame.kind for frame in frames] == [FrameKind.AUDIO, FrameKind.STOP]
    assert frames[-1].meta.error == StreamError("internal", "audio was lost on its way to the decoder")


async def test_ten_sessions_with_one_thread_pool_do_not_mix(bench: Bench, redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    data = {f"m{index}": noise(20 * 1600, index) for index in range(10)}
    assignments = []
    for session_id, samples in data.items():
        at = session_keys(session_id)
        config = SessionConfig(sample_rate=8000, encoding=Encoding.MULAW)
        await bus.sessions.open(at, "e", encode_json(config), 0, keys.SESSION_TTL_S)
        for seq in range(20):
            frame = Frame(seq + 1, FrameKind.AUDIO, samples[seq * 1600 : (seq + 1) * 1600])
            await bus.sessions.append_audio(Ownership(at, "e"), frame)
        await bus.sessions.append_audio(Ownership(at, "e"), Frame(21, FrameKind.STOP))
        owner = await bus.sessions.claim(at, "e", keys.STAGE_AUDIO, "a")
        assert owner is not None
        assignments.append(Assignment(owner, await read_state(redis_client, at)))
    async with asyncio.timeout(20):
        await asyncio.gather(*(bench.live.handle(assignment) for assignment in assignments))
    sounds = set()
    for session_id in data:
        entries = await redis_client.xrange(session_keys(session_id).pcm_log)
        frames = [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]
        assert_continuous(frames)
        assert len(audio(frames)) == 4 * 20 * 1600
        sounds.add(audio(frames))
    assert len(sounds) == 10
