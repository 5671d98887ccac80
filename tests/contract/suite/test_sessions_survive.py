"""Sessions whose audio kills whoever works on it: given up after eight deaths, and other sessions go on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_harness import LOUD, POISON, FirstSamples, Mortal, Transcriber, ended, posted, seconds
from support.wiring import bus_on, read_state, session_stage

from stt_audio.live import sessions as audio_session
from stt_audio.live.decoder import LiveDecoder, live_decoder
from stt_audio.live.sessions import LiveSessions
from stt_shared.contracts.events import Done, Error, Event, Final, decode_event
from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta, frame_from_entry
from stt_shared.contracts.jobs import JobResult
from stt_shared.contracts.session import SessionConfig, encode_json
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.redis.client import connect
from stt_shared.streams import keys
from stt_shared.streams.keys import session_keys
from stt_shared.streams.ownership import Ownership, WriteResult
from stt_shared.streams.replicas import Replicas
from stt_shared.work import crash_guard, queue
from stt_shared.work.stage import SESSIONS, Assignment, StageWorker, WorkQueue
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis

pytestmark = pytest.mark.contract

DEADLY, CALM = "deadly", "calm"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "SECOND_CHECK_S", 0.03)
    monkeypatch.setattr(queue, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(queue, "_CLAIM_IDLE_MS", 1)


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight deaths take long."""
    monkeypatch.setattr(crash_guard, "MAX_SESSION_CRASHES", 3)
    monkeypatch.setattr(crash_guard, "ALONE_FROM", 2)


def speech(*parts: tuple[float, int], poison_at_s: float | None = None) -> list[Frame]:
    """Seconds and loudness, in frames of 100 ms."""
    samples = np.concatenate([np.full(int(s * 16000), loud, np.int16) for s, loud in parts])
    if poison_at_s is not None:
        samples[int(poison_at_s * 16000)] = POISON
    starts = range(0, len(samples), 1600)
    return [
        Frame(n + 1, FrameKind.AUDIO, samples[at : at + 1600].tobytes(), FrameMeta(1.0, start_sample=at))
        for n, at in enumerate(starts)
    ]


LONG = speech((0.5, 0), *((1, LOUD + second) for second in range(20)))
"""Open for so long that nothing of it is settled while others die."""


async def opened(client: Redis, session_id: str) -> Ownership:
    at = session_keys(session_id)
    await bus_on(client).sessions.open(at, "e", encode_json(SessionConfig()), 0, 60)
    await client.xadd(keys.SESSIONS_WAITING, {"id": session_id, "epoch": "e"})
    return Ownership(at, "e")


async def said(client: Redis, session_id: str, frames: Sequence[Frame]) -> None:
    owner = await opened(client, session_id)
    bus = bus_on(client)
    for frame in frames:
        assert await bus.sessions.append_pcm(owner, frame, consumed=0) is WriteResult.OK


async def stop(client: Redis, session_id: str, frames: Sequence[Frame]) -> None:
    owner = Ownership(session_keys(session_id), "e")
    await bus_on(client).sessions.append_pcm(owner, Frame(len(frames) + 1, FrameKind.STOP), consumed=0)


async def events(client: Redis, session_id: str) -> list[Event]:
    entries: Any = await client.xrange(session_keys(session_id).results_log)
    return [decode_event(fields[b"event"]) for _, fields in entries]


async def is_over(client: Redis, session_id: str) -> bool:
    return bool(await client.hget(session_keys(session_id).state, "state") == b"done")


class Slow(FirstSamples):
    """Dies before any other decode of some length is done, so that neighbours are always in the model with it."""

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        deadly = (np.round(request.samples * 32768) == POISON).any()
        self._let_go.wait(0.1 if deadly else 0.3 if len(request.samples) > 16000 else 0.0)
        return super()._decode(request)


async def deaths(client: Redis, url: str, until: Callable[[], Any], most: int = 6) -> int:
    """Starts one worker after another until ``until``; returns how many died."""
    loop = asyncio.get_running_loop()
    for died in range(most):
        engine, mortal = Slow(), Mortal()
        engine.on_poison = lambda mortal=mortal: loop.call_soon_threadsafe(mortal.die)  # type: ignore[misc]
        async with Transcriber(url, f"w{died}", engine, mortal) as worker:
            async with asyncio.timeout(60):
                while not mortal.dead.is_set():
                    if await until():
                        await worker.leave()  # or it would die of what is left
                        return died
                    await asyncio.sleep(0.01)
    return most


async def test_a_session_that_kills_three_transcribers_is_given_up_and_its_neighbours_are_not(
    redis_client: Redis, redis_url: str
) -> None:
    await said(redis_client, DEADLY, speech((0.5, 0), (2, LOUD), (1.5, 0), (3, LOUD), (1, 0), poison_at_s=5.0))
    for n in range(3):
        await said(redis_client, f"{CALM}{n}", LONG)
    assert await deaths(redis_client, redis_url, lambda: is_over(redis_client, DEADLY)) == 3
    received = await events(redis_client, DEADLY)
    assert [event.utterance for event in received if isinstance(event, Final)] == [1], "what came before is said"
    error = received[-1]
    assert isinstance(error, Error)
    assert (error.code, error.retryable) == ("bad_audio", False)
    assert "3 workers died" in error.message
    async with Transcriber(redis_url, "last", FirstSamples()):
        for n in range(3):
            await stop(redis_client, f"{CALM}{n}", LONG)
        async with asyncio.timeout(30):
            while not all([await is_over(redis_client, f"{CALM}{n}") for n in range(3)]):
                await asyncio.sleep(0.02)
    for n in range(3):
        received = await events(redis_client, f"{CALM}{n}")
        assert isinstance(received[-1], Done)
        assert [event.utterance for event in received if isinstance(event, Final)] == [1]


async def with_a_neighbour(client: Redis, url: str) -> Event:
    """How the neighbour of a deadly session ended. Its final waits for the model whenever the other's does."""
    frames = speech((0.5, 0), (3, LOUD), (1, 0))
    await said(client, CALM, frames)
    await said(client, DEADLY, speech((0.5, 0), (3, LOUD), (1, 0), poison_at_s=2.0))
    await deaths(client, url, lambda: is_over(client, DEADLY))
    async with Transcriber(url, "last", FirstSamples()):
        await stop(client, CALM, frames)
        async with asyncio.timeout(30):
            while not await is_over(client, CALM):
                await asyncio.sleep(0.02)
    return (await events(client, CALM))[-1]


async def test_of_two_in_the_model_only_one_is_blamed(redis_client: Redis, redis_url: str) -> None:
    assert isinstance(await with_a_neighbour(redis_client, redis_url), Done)


async def test_without_steps_alone_both_are_blamed(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin."""
    monkeypatch.setattr(crash_guard, "ALONE_FROM", 1000)
    assert isinstance(await with_a_neighbour(redis_client, redis_url), Error)


async def test_without_counting_a_session_kills_for_ever(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin."""
    monkeypatch.setattr(crash_guard, "MAX_SESSION_CRASHES", 1000)
    await said(redis_client, DEADLY, speech((0.5, 0), (3, LOUD), (1, 0), poison_at_s=2.0))
    assert await deaths(redis_client, redis_url, lambda: is_over(redis_client, DEADLY), most=5) == 5


async def test_without_marks_a_session_takes_its_neighbours_along(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin."""

    async def nobody(self: Replicas, replica_id: str) -> set[str]:
        return set()

    monkeypatch.setattr(Replicas, "quarantine", nobody)
    monkeypatch.setattr(crash_guard, "past_crashes", lambda *_: [])
    await said(redis_client, DEADLY, speech((0.5, 0), (3, LOUD), (1, 0), poison_at_s=2.0))
    await said(redis_client, CALM, LONG)
    await deaths(redis_client, redis_url, lambda: is_over(redis_client, DEADLY))
    async with Transcriber(redis_url, "last", FirstSamples()):
        async with asyncio.timeout(30):
            while not await is_over(redis_client, CALM):
                await asyncio.sleep(0.02)
    assert isinstance((await events(redis_client, CALM))[-1], Error)


async def test_a_session_that_kills_takes_no_file_along(redis_client: Redis, redis_url: str) -> None:
    job = "job-0123456789abcdef"
    await posted(redis_client, job, seconds(58))
    await said(redis_client, DEADLY, speech((0.5, 0), (3, LOUD), (1, 0), poison_at_s=2.0))
    assert await deaths(redis_client, redis_url, lambda: is_over(redis_client, DEADLY)) == 3
    async with Transcriber(redis_url, "last", FirstSamples()):
        assert isinstance(await ended(redis_client, job), JobResult)


async def test_workers_that_die_of_something_else_are_not_held_against_a_session(
    redis_client: Redis, redis_url: str
) -> None:
    await said(redis_client, CALM, LONG)
    for n in range(4):
        async with Transcriber(redis_url, f"w{n}", FirstSamples()) as worker:
            await asyncio.sleep(1.3)  # all is heard, and a quiet second has passed
            async with asyncio.timeout(30):
                while worker.engine.decoded == 0 or await redis_client.exists(keys.replica_quarantine(worker.id)):
                    await asyncio.sleep(0.01)
    async with Transcriber(redis_url, "last", FirstSamples()):
        await stop(redis_client, CALM, LONG)
        async with asyncio.timeout(30):
            while not await is_over(redis_client, CALM):
                await asyncio.sleep(0.02)
    assert isinstance((await events(redis_client, CALM))[-1], Done)


async def test_getting_on_wipes_the_slate(redis_client: Redis, redis_url: str) -> None:
    frames = speech((0.5, 0), (2, LOUD), (1.5, 0))
    await said(redis_client, CALM, frames)
    at = session_keys(CALM)
    await redis_client.hset(at.state, mapping={"crashed:transcriber": "w1 w2", "crashed_at:transcriber": "0"})
    async with Transcriber(redis_url, "t", FirstSamples()):
        await stop(redis_client, CALM, frames)
        async with asyncio.timeout(30):
            while not await is_over(redis_client, CALM):
                await asyncio.sleep(0.02)
    assert isinstance((await events(redis_client, CALM))[-1], Done)
    assert not await redis_client.exists(keys.replica_quarantine("t")), "nothing is on trial any more"


async def test_an_heir_that_dies_before_it_has_claimed_leaves_the_session_to_the_next(redis_client: Redis) -> None:
    """A fixed bug: the next one found an owner that was not the one it followed, and let the session go for good."""
    await said(redis_client, CALM, LONG)
    at = session_keys(CALM)
    for name in ("first", "heir", "next"):
        await redis_client.set(keys.replica_alive(name), 1)
    queues = [
        WorkQueue(bus_on(redis_client), keys.SESSIONS_WAITING, keys.STAGE_TRANSCRIBER, name)
        for name in ("first", "heir")
    ]
    await queues[0].open()
    held = await queues[0].take(1)
    assert await bus_on(redis_client).sessions.claim(at, "e", keys.STAGE_TRANSCRIBER, "first")
    await redis_client.delete(keys.replica_alive("first"))
    while not (taken := await queues[1].adopt(1)):
        await asyncio.sleep(0.01)
    await redis_client.delete(keys.replica_alive("heir"))
    owned: asyncio.Future[Assignment] = asyncio.get_running_loop().create_future()

    async def handle(assignment: Assignment) -> None:
        owned.set_result(assignment)

    stage = session_stage(bus_on(redis_client), handle, replica_id="next", capacity=1)
    running = asyncio.create_task(stage.run())
    assignment = await asyncio.wait_for(owned, 5)
    await cancel_and_wait(running)
    assert (assignment.owner.fence, assignment.follows, len(held), len(taken)) == (3, "heir", 1, 1)


def dying(die: Callable[[], None]) -> Callable[..., LiveDecoder]:
    """Makes decoders that take their process along when they are fed poison."""

    def make(*args: Any) -> LiveDecoder:
        decoder = live_decoder(*args)
        feed = decoder.feed

        async def deadly_feed(data: bytes) -> AsyncIterator[bytes]:
            if (np.frombuffer(data, np.int16) == POISON).any():
                die()
                await asyncio.sleep(60)
            async for pcm in feed(data):
                yield pcm

        decoder.feed = deadly_feed  # type: ignore[method-assign]
        return decoder

    return make


@pytest.fixture
def audio_processors(redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """Runs up to this many audio-processors, one after another, until nothing kills them; returns how many died."""

    async def run(most: int) -> int:
        for died in range(most):
            mortal, replica = Mortal(), f"a{died}"
            client = connect(redis_url)
            bus = bus_on(client, replica)
            mortal.wrap(bus)
            monkeypatch.setattr(audio_session, "live_decoder", dying(mortal.die))
            await redis_client.set(keys.replica_alive(replica), 1)
            with ThreadPoolExecutor(1) as executor:
                async with bus.channels:
                    live = LiveSessions(bus, executor, 16000 * 3600)
                    stage = StageWorker(
                        bus,
                        SESSIONS,
                        stage=keys.STAGE_AUDIO,
                        replica_id=replica,
                        capacity=8,
                        handle=live.handle,
                        deletes=False,
                    )
                    running = asyncio.create_task(stage.run())
                    try:
                        await asyncio.wait_for(mortal.dead.wait(), 1.0)
                    except TimeoutError:
                        return died
                    finally:
                        mortal.die()
                        await redis_client.delete(keys.replica_alive(replica))
                        await cancel_and_wait(running)
                        await stage.drain(0)
                        await client.aclose()
        return most

    return run


async def test_a_stream_that_kills_three_decoders_is_given_up_and_its_neighbour_is_not(
    redis_client: Redis, audio_processors: Callable[[int], Any]
) -> None:
    bus = bus_on(redis_client)
    deadly, calm = await opened(redis_client, DEADLY), await opened(redis_client, CALM)
    for owner, poison_at_s in ((deadly, 1.0), (calm, None)):
        for frame in speech((2, LOUD), poison_at_s=poison_at_s):
            assert await bus.sessions.append_audio(owner, frame) is WriteResult.OK
    assert await audio_processors(6) == 3
    *heard, last = await pcm(redis_client, DEADLY)
    assert [frame.kind for frame in heard] == [FrameKind.AUDIO] * 10
    assert last.kind is FrameKind.STOP
    assert last.meta.error is not None
    assert last.meta.error.code == "bad_audio"
    assert last.meta.error.message.startswith("3 workers died")
    assert len(await pcm(redis_client, CALM)) == 20


async def pcm(client: Redis, session_id: str) -> list[Frame]:
    entries: Any = await client.xrange(session_keys(session_id).pcm_log)
    return [frame_from_entry(int(entry_id.partition(b"-")[0]), fields) for entry_id, fields in entries]


async def test_without_counting_a_stream_kills_decoders_for_ever(
    redis_client: Redis, audio_processors: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin."""
    monkeypatch.setattr(crash_guard, "MAX_SESSION_CRASHES", 1000)
    owner = await opened(redis_client, DEADLY)
    bus = bus_on(redis_client)
    for frame in speech((2, LOUD), poison_at_s=1.0):
        await bus.sessions.append_audio(owner, frame)
    assert await audio_processors(5) == 5
    assert (await read_state(redis_client, owner.keys))[b"state"] == b"active"
