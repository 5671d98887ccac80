"""Transcribers that can be killed in mid-work, without a process of their own; and jobs for them on a real server."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import redis
from numpy.typing import NDArray
from redis.asyncio import Redis

from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_shared.contracts.jobs import JobConfig, JobError, JobResult
from stt_shared.contracts.speakers import SpeakerCount
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import SHARED_UNCUT_JOBS, Created, NewJob
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import JOBS, SESSIONS, StageWorker
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TimedWord
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.files.cutter import FileCutter
from stt_transcriber.files.voices import ChunkVoiceReader
from stt_transcriber.files.worker import ChunkWorker
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.worker import LiveWorker
from stt_transcriber.models.store import ModelError
from stt_transcriber.speakers.base import SpeakerModel
from support.fake_vad import LoudnessVad
from support.wiring import bus_on, read_state

LOUD = 8000
POISON = 12345
"""A sample of this value kills whoever decodes it."""
_POLLING = {
    "XREADGROUP",
    "XPENDING",
    "XCLAIM",
    "MGET",
    "XGROUP CREATE",
    "XGROUP",
    "PUBLISH",
    "SPUBLISH",
    "EXISTS",
    "XRANGE",
}


def no_speaker_model() -> SpeakerModel:
    raise ModelError("not installed")


class LoudnessVoices:
    """Two voices, one of them louder than 10000."""

    def voices(self, samples: NDArray[np.float32], windows: Sequence[Span]) -> NDArray[np.float32]:
        loud = [samples[begin:end].max() * 32768 > 10_000 for begin, end in windows]
        return np.array([[one, not one] for one in loud], np.float32).reshape(-1, 2)


class FirstSamples:
    """Says one word per second of audio, named after what is heard there: loss, doubling and disorder show."""

    name = model = "fake"
    parallel = 2
    max_batch = 4
    is_multilingual = False
    biased_by_keyterms = False
    hears_earlier = False
    languages = ("en",)

    def __init__(self) -> None:
        self.decoded = 0
        self.takes_s = 0.0
        self.on_poison: Callable[[], None] = lambda: None
        self._let_go = threading.Event()

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        return [self._decode(request) for request in requests]

    def close(self) -> None:
        """Ends what hangs."""
        self._let_go.set()

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        samples = np.round(request.samples * 32768)
        if (samples == POISON).any():
            self.on_poison()
            self._let_go.wait(5)
            raise RuntimeError("dead")
        if self.takes_s:
            self._let_go.wait(self.takes_s)
        self.decoded += 1
        if request.language is None and request.language_samples is not None:
            samples = np.concatenate([samples, np.round(request.language_samples[-16000:] * 32768)])
        words = tuple(
            TimedWord(f"w{int(samples[at : at + 16000].max())}", at / 16000 + 0.1, at / 16000 + 0.5, 0.9)
            for at in range(0, len(samples), 16000)
        )
        return Hypothesis(" ".join(word.text for word in words), words, "en", 1.0, -0.1, 0.0, 1.0)


class Mortal:
    """Counts a worker's calls of Redis and lets it die at the n-th: before it is made, or when its answer comes.
    From then on nothing of this worker reaches Redis. ``die_at`` 0: it lives."""

    def __init__(self, die_at: int = 0, *, answer_lost: bool = False) -> None:
        self._die_at = die_at
        self._answer_lost = answer_lost
        self.calls = 0
        self.dead = asyncio.Event()
        self.ended_jobs = 0

    def die(self) -> None:
        self.dead.set()

    def wrap(self, bus: Bus) -> None:
        execute, call, command = bus.client.execute_command, bus.pipeline.call, bus.pipeline.command
        finishing = bus.jobs._finish

        async def execute_command(*args: Any, **options: Any) -> Any:
            return await self._through(lambda: execute(*args, **options), counted=str(args[0]) not in _POLLING)

        async def piped_command(*parts: Any) -> Any:
            return await self._through(lambda: command(*parts), counted=parts[0] not in _POLLING)

        async def piped_call(function: Any, *args: Any) -> Any:
            async def carried_out() -> Any:
                answer = await call(function, *args)
                self.ended_jobs += function is finishing and answer == 1
                return answer

            return await self._through(carried_out, counted=True)

        bus.client.execute_command = execute_command  # type: ignore[method-assign]
        bus.pipeline.call = piped_call  # type: ignore[method-assign]
        bus.pipeline.command = piped_command  # type: ignore[method-assign]

    async def _through(self, do: Callable[[], Awaitable[Any]], *, counted: bool) -> Any:
        if self.dead.is_set():
            raise redis.ConnectionError("dead")
        self.calls += counted
        mine = counted and self.calls == self._die_at
        if mine and not self._answer_lost:
            self.die()
            raise redis.ConnectionError("dead")
        answer = await do()
        if mine:
            self.die()
        if self.dead.is_set():
            raise redis.ConnectionError("dead")
        return answer


class Transcriber:
    """A replica, for files and for sessions. Use as an async context manager; ``kill`` ends it as SIGKILL would."""

    def __init__(
        self,
        url: str,
        replica_id: str,
        engine: FirstSamples,
        mortal: Mortal | None = None,
        concurrency: int = 2,
        speaker_model: Callable[[], SpeakerModel] = no_speaker_model,
    ) -> None:
        self.id = replica_id
        self.engine = engine
        self.mortal = mortal or Mortal()
        self._url = url
        self._concurrency = concurrency
        self._speaker_model = speaker_model
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Transcriber":
        self._outside = connect(self._url)
        await self._outside.set(keys.replica_alive(self.id), 1)
        client = connect(self._url)
        self._client = client
        self._hub_client = connect(self._url)
        self._hub = await ChannelHub(self._hub_client, keys.replica_channel(self.id)).__aenter__()
        bus = Bus(client, self._hub)
        self._pool = ModelPool(self.engine)
        self.mortal.wrap(bus)
        guard = CrashGuard(bus)
        policy = LivePolicy()
        voices = ChunkVoiceReader(self._speaker_model, 2)
        self.chunks = ChunkWorker(bus, self._pool, self.id, self._concurrency, guard, voices)
        cutter = FileCutter(bus, LoudnessVad, policy, guard)
        live = LiveWorker(LiveParts(bus, self._pool, LoudnessVad, policy, 60.0, guard))
        self.stage, self.sessions = (
            StageWorker(
                bus,
                source,
                stage=keys.STAGE_TRANSCRIBER,
                replica_id=self.id,
                capacity=capacity,
                handle=handle,
                deletes=True,
            )
            for source, capacity, handle in (
                (JOBS, 2 * SHARED_UNCUT_JOBS, cutter.handle),
                (SESSIONS, 16, live.handle),
            )
        )
        works = (self.stage.run(), self.chunks.run(), self.sessions.run())
        self._tasks = [asyncio.create_task(work) for work in works]
        return self

    async def kill(self, *, alive_for_ms: int = 0) -> None:
        """Nothing of it reaches Redis any more; its heartbeat goes at once, or after a while."""
        self.mortal.die()
        if alive_for_ms:
            await self._outside.pexpire(keys.replica_alive(self.id), alive_for_ms)
        else:
            await self._outside.delete(keys.replica_alive(self.id))

    async def leave(self) -> None:
        """As with SIGTERM."""
        for task in self._tasks:
            await cancel_and_wait(task)
        await self.stage.hand_over()
        await self.sessions.hand_over()
        await self.chunks.drain(0.0)

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        for task in self._tasks:
            await cancel_and_wait(task)
        await self.stage.drain(0)
        await self.sessions.drain(0)
        for task in list(self.chunks._running):
            await cancel_and_wait(task)
        await self._hub.__aexit__(None, None, None)
        self.engine.close()
        await self._pool.__aexit__()
        for client in (self._client, self._hub_client, self._outside):
            await client.aclose()


def seconds(n_seconds: int, *, first: int = LOUD, poison_at: int = -1) -> list[bytes]:
    """Speech of a loudness of its own each second, a pause in every tenth."""
    made = []
    for second in range(n_seconds):
        samples = np.full(16000, 0 if second % 10 == 9 else first + second, np.int16)
        if second == poison_at:
            samples[100] = POISON
        made.append(samples.tobytes())
    return made


def sayings(count: int) -> list[bytes]:
    """Frames of a second: every fifth one is speech, for 0.8 s, each of a loudness of its own; of three kinds, by what
    is left of it divided by three, the first saying is of another than all others."""
    made = []
    for second in range(count * 5):
        samples = np.zeros(16000, np.int16)
        if second % 5 == 0:
            samples[:12800] = LOUD + second // 5 * 3 + (second > 0)
        made.append(samples.tobytes())
    return made


async def posted(
    client: Redis,
    job_id: str,
    audio: list[bytes],
    *,
    played: bool = True,
    speakers: SpeakerCount | None = None,
    known_to: str = "",
    enrolls: bool = False,
) -> None:
    """A job in the queue; its audio decoded already, unless it is played later."""
    bus = bus_on(client)
    config = msgspec.json.encode(JobConfig(job_id, speakers=speakers, known_to=known_to, enrolls=enrolls))
    assert isinstance(await bus.jobs.create([NewJob(job_id, "e", config)], 0), Created)
    if played:
        await play(client, job_id, audio)


async def play(client: Redis, job_id: str, audio: list[bytes]) -> None:
    """What the audio-processor does."""
    bus, owner = bus_on(client), Ownership(keys.job_keys(job_id), "e")
    for second, data in enumerate(audio):
        frame = Frame(second + 1, FrameKind.AUDIO, data, FrameMeta(start_sample=second * 16000))
        while (
            written := await bus.sessions.append_pcm(owner, frame, consumed=0, max_samples=64 * 16000)
        ) is WriteResult.FULL:
            await asyncio.sleep(0.01)
        if written is WriteResult.GONE:
            return
    await bus.sessions.append_pcm(owner, Frame(len(audio) + 1, FrameKind.STOP), consumed=0)


async def ended(client: Redis, job_id: str, timeout_s: float = 20.0) -> JobResult | JobError:
    """How the job ended; on the way there its progress never fell."""
    progress = 0.0
    # By the clock: redis-py may lose the one cancellation that asyncio.timeout sends.
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        fields = await read_state(client, keys.job_keys(job_id))
        assert float(fields[b"progress"]) >= progress, "progress never falls"
        progress = float(fields[b"progress"])
        if fields[b"status"] == b"completed":
            return msgspec.json.decode(fields[b"result"], type=JobResult)
        if fields[b"status"] in (b"failed", b"cancelled"):
            return msgspec.json.decode(fields[b"error"] or b'{"code":"","message":""}', type=JobError)
        await asyncio.sleep(0.01)
    raise TimeoutError(f"{job_id} has not ended: {fields[b'status']!r}")
