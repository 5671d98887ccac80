"""File jobs and death: counted word by word, on a real server. Each mechanism is also shown switched off."""

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio import Redis
from support import job_harness
from support.job_harness import FirstSamples, Mortal, Transcriber, ended, posted, sayings, seconds
from support.wiring import bus_on, read_state

from stt_shared.contracts.jobs import JobError, JobResult, JobStatus
from stt_shared.streams import keys
from stt_shared.work import crash_guard
from stt_shared.work import queue as work_queue
from stt_shared.work.stage import WorkItem, WorkQueue
from stt_transcriber.files import cutter

pytestmark = pytest.mark.contract

JOB = "job-0123456789abcdef"
AT = keys.job_keys(JOB)
LENGTH = 58
"""Seconds: three chunks."""


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Death is seen at once; how soon it is seen otherwise is another test's matter."""
    monkeypatch.setattr(work_queue, "SECOND_CHECK_S", 0.03)
    monkeypatch.setattr(work_queue, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(work_queue, "_CLAIM_IDLE_MS", 1)


@pytest.fixture
def engine() -> Iterator[FirstSamples]:
    engine = FirstSamples()
    yield engine
    engine.close()


async def undisturbed(client: Redis, url: str, audio: list[bytes]) -> JobResult:
    await posted(client, "calm-0123456789abcdef", audio)
    async with Transcriber(url, "calm", FirstSamples()):
        result = await ended(client, "calm-0123456789abcdef")
    assert isinstance(result, JobResult)
    return result


def words(result: JobResult | JobError) -> list[str]:
    assert isinstance(result, JobResult), result
    return [word.word for segment in result.segments for word in segment.words]


async def until_decoding(client: Redis, replica: str) -> None:
    """The replica has a chunk in hand."""
    async with asyncio.timeout(10):
        while True:
            if await client.exists(keys.JOB_CHUNKS):
                summary: Any = await client.xpending(keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER)
                if any(consumer["name"].decode() == replica for consumer in summary["consumers"] or []):
                    return
            await asyncio.sleep(0.01)


async def test_a_dead_workers_chunk_is_another_ones_within_seconds(redis_client: Redis, redis_url: str) -> None:
    calm = await undisturbed(redis_client, redis_url, seconds(20))
    slow = FirstSamples()
    slow.takes_s = 60
    async with Transcriber(redis_url, "t1", slow) as first:
        await posted(redis_client, JOB, seconds(20))
        await until_decoding(redis_client, "t1")
        async with Transcriber(redis_url, "t2", FirstSamples()):
            await asyncio.sleep(1.0)
            assert await redis_client.hlen(keys.job_parts(JOB)) == 0, "the living keep what they have"
            await first.kill(alive_for_ms=1200)
            began = time.monotonic()
            assert await ended(redis_client, JOB) == calm
            assert time.monotonic() - began < 4.0
            async with asyncio.timeout(5):
                while await redis_client.xlen(keys.JOB_CHUNKS):
                    await asyncio.sleep(0.01)


async def test_without_the_late_acknowledgement_a_dead_workers_chunk_is_lost(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, quick_looks: None
) -> None:
    """The negative twin: a chunk acknowledged when it is taken dies with its worker, and the job never ends."""
    slow = FirstSamples()
    slow.takes_s = 60
    take = WorkQueue.take

    async def take_and_acknowledge(queue: WorkQueue, count: int, block_ms: int = 1000) -> list[WorkItem]:
        items = await take(queue, count, block_ms)
        for item in items:
            if b"chunk" in item.fields:
                await queue.done(item, delete=True)
        return items

    monkeypatch.setattr(WorkQueue, "take", take_and_acknowledge)
    async with Transcriber(redis_url, "t1", slow) as first:
        await posted(redis_client, JOB, seconds(20))
        async with asyncio.timeout(10):
            while not first.chunks.running:
                await asyncio.sleep(0.01)
        await first.kill()
        async with Transcriber(redis_url, "t2", FirstSamples()):
            with pytest.raises(TimeoutError):
                await ended(redis_client, JOB, timeout_s=2)


async def disturbed(
    client: Redis, url: str, mortal: Mortal, audio: list[bytes]
) -> tuple[JobResult | JobError, int, int]:
    """How the job ended, how often, and how many chunks were decoded."""
    first, second = FirstSamples(), FirstSamples()
    await client.flushall()
    await posted(client, JOB, audio)
    other = Mortal()
    async with Transcriber(url, "t1", first, mortal) as worker:
        end = asyncio.create_task(ended(client, JOB))
        death = asyncio.create_task(mortal.dead.wait())
        await asyncio.wait({end, death}, return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        if mortal.dead.is_set():
            await worker.kill()
            async with Transcriber(url, "t2", second, other):
                result = await end
        else:
            result = await end
    return result, mortal.ended_jobs + other.ended_jobs, first.decoded + second.decoded


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before the call", "before its answer"])
async def test_a_transcriber_may_die_at_any_call(
    redis_client: Redis, redis_url: str, quick_looks: None, answer_lost: bool
) -> None:
    audio = seconds(LENGTH)
    calm = await undisturbed(redis_client, redis_url, audio)
    assert words(calm) == [f"w{job_harness.LOUD + n}" for n in range(LENGTH) if n % 10 != 9] or len(words(calm)) >= 50
    alive = Mortal()
    result, endings, chunks = await disturbed(redis_client, redis_url, alive, audio)
    assert (result, endings) == (calm, 1)
    died = 0
    for die_at in range(1, alive.calls + 1):
        mortal = Mortal(die_at, answer_lost=answer_lost)
        result, endings, decoded = await disturbed(redis_client, redis_url, mortal, audio)
        assert result == calm, die_at
        assert endings == 1, die_at
        assert decoded <= chunks + 2, f"{die_at}: at most what was in hand is decoded again"
        died += mortal.dead.is_set()
    assert died >= 20


async def test_a_transcriber_may_die_before_the_language_is_known(
    redis_client: Redis, redis_url: str, quick_looks: None
) -> None:
    """The first chunks are held back, and the first is decoded with the voice of all of them."""
    audio = sayings(9)
    calm = await undisturbed(redis_client, redis_url, audio)
    assert len(words(calm)) >= 9
    alive = Mortal()
    assert (await disturbed(redis_client, redis_url, alive, audio))[:2] == (calm, 1)
    for die_at in range(1, alive.calls + 1, 2):
        mortal = Mortal(die_at, answer_lost=die_at % 4 == 1)
        result, endings, _ = await disturbed(redis_client, redis_url, mortal, audio)
        assert result == calm, die_at
        assert endings == 1, die_at


async def test_a_successor_goes_on_behind_the_last_chunk(
    redis_client: Redis, redis_url: str, quick_looks: None
) -> None:
    """Its audio is gone from the log by then, so cutting from the beginning is not possible."""
    audio = seconds(200)
    calm_job = "calm-0123456789abcdef"
    async with Transcriber(redis_url, "calm", FirstSamples()):
        await posted(redis_client, calm_job, audio, played=False)
        await job_harness.play(redis_client, calm_job, audio)
        calm = await ended(redis_client, calm_job)
    engine = FirstSamples()
    await posted(redis_client, JOB, audio, played=False)
    playing = asyncio.create_task(job_harness.play(redis_client, JOB, audio))
    n_chunks = 0
    for number in range(6):
        async with Transcriber(redis_url, f"t{number}", engine):
            async with asyncio.timeout(10):
                while int(await redis_client.hget(AT.state, "handed") or 0) < min(7, n_chunks + 1):
                    await asyncio.sleep(0.005)
            n_chunks = int(await redis_client.hget(AT.state, "handed") or 0)
    async with Transcriber(redis_url, "last", engine):
        assert await ended(redis_client, JOB) == calm
    await playing


async def test_without_its_state_a_successor_cannot_go_on(
    redis_client: Redis, redis_url: str, quick_looks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin: audio in front of the last chunk is no longer in the log."""
    monkeypatch.setattr(cutter.cutter_state, "restore", lambda *_: None)
    audio = seconds(60)
    calm = await undisturbed(redis_client, redis_url, audio)
    await posted(redis_client, JOB, audio[:50], played=False)
    playing = asyncio.create_task(job_harness.play(redis_client, JOB, audio))
    async with Transcriber(redis_url, "t1", FirstSamples(), Mortal(12)) as first:
        async with asyncio.timeout(10):
            await first.mortal.dead.wait()
    async with Transcriber(redis_url, "t2", FirstSamples()):
        assert await ended(redis_client, JOB) != calm
    await playing


async def crash_until_ended(client: Redis, url: str, jobs: list[str], most: int, concurrency: int = 2) -> int:
    """Starts one worker after another, each of which dies of poison; answers how many did."""
    loop = asyncio.get_running_loop()
    for died in range(most + 1):
        engine, mortal = FirstSamples(), Mortal()
        engine.on_poison = lambda mortal=mortal: loop.call_soon_threadsafe(mortal.die)  # type: ignore[misc]
        engine.takes_s = 0.1
        async with Transcriber(url, f"w{died}", engine, mortal, concurrency):
            async with asyncio.timeout(15):
                while not mortal.dead.is_set():
                    states = [await client.hget(keys.job_keys(job).state, "state") for job in jobs]
                    if all(state == b"done" for state in states):
                        return died
                    await asyncio.sleep(0.01)
    return most + 1


async def test_a_chunk_that_kills_three_workers_is_given_up_and_its_neighbours_are_not(
    redis_client: Redis, redis_url: str, quick_looks: None
) -> None:
    neighbour = "neighbour-0123456789"
    calm = await undisturbed(redis_client, redis_url, seconds(LENGTH))
    await posted(redis_client, JOB, seconds(30, first=9000, poison_at=3))
    await posted(redis_client, neighbour, seconds(LENGTH))
    assert await crash_until_ended(redis_client, redis_url, [JOB, neighbour], 5) == 3
    end = await ended(redis_client, JOB)
    assert isinstance(end, JobError)
    assert end.code == "internal"
    assert "3 workers died" in end.message
    assert await ended(redis_client, neighbour) == calm
    ((_, note),) = await redis_client.xrange(keys.JOBS_DEAD)
    assert set(note) == {b"job_id", b"part", b"error", b"workers", b"at_ms"}
    assert (note[b"job_id"], note[b"part"], note[b"workers"]) == (JOB.encode(), b"chunk 0", b"w0 w1 w2")


async def test_without_counting_a_chunk_kills_for_ever(
    redis_client: Redis, redis_url: str, quick_looks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative twin."""
    monkeypatch.setattr(crash_guard, "MAX_CRASHES", 1000)
    await posted(redis_client, JOB, seconds(30, first=9000, poison_at=3))
    assert await crash_until_ended(redis_client, redis_url, [JOB], 5) == 6


async def test_leaving_is_no_crash(redis_client: Redis, redis_url: str) -> None:
    calm = await undisturbed(redis_client, redis_url, seconds(20))
    await posted(redis_client, JOB, seconds(20))
    for number in range(4):
        slow = FirstSamples()
        slow.takes_s = 60
        async with Transcriber(redis_url, f"t{number}", slow) as worker:
            await until_decoding(redis_client, worker.id)
            async with asyncio.timeout(2):
                await worker.leave()
    async with Transcriber(redis_url, "last", FirstSamples()):
        assert await ended(redis_client, JOB) == calm
    state = await read_state(redis_client, AT)
    assert not any(value for field, value in state.items() if field.startswith(b"crashed:"))


async def test_a_file_that_gets_on_between_crashes_is_not_to_blame(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    await posted(redis_client, JOB, [], played=False)
    for number in range(6):
        await redis_client.hset(AT.state, "pcm_seq", number)
        assert await bus.sessions.count_crash(AT, "e", "audio", f"a{number}", progress_field="pcm_seq") == [
            f"a{number}"
        ]
    for number in range(6, 8):
        for _ in range(2):  # redis-py may repeat a call
            found = await bus.sessions.count_crash(AT, "e", "audio", f"a{number}", progress_field="pcm_seq")
        assert found == [f"a{n}" for n in range(5, number + 1)]


async def test_a_cancelled_job_is_written_no_more_and_its_worker_is_free(
    redis_client: Redis, redis_url: str, engine: FirstSamples
) -> None:
    chance = random.Random(5)
    engine.takes_s = 0.1
    bus = bus_on(redis_client)
    in_mid_work = 0
    async with Transcriber(redis_url, "t1", engine) as worker:
        for number in range(50):
            job_id = f"cancelled-0123456789-{number}"
            at = keys.job_keys(job_id)
            playing = asyncio.create_task(posted(redis_client, job_id, seconds(100)))
            await asyncio.sleep(chance.uniform(0.01, 0.3))
            if not await bus.jobs.finish(at, "e", JobStatus.CANCELLED, now_ms=1.0):
                await playing
                continue
            in_mid_work += 1
            then = await read_state(redis_client, at)
            began = time.monotonic()
            async with asyncio.timeout(1.5):
                while worker.stage.running or worker.chunks.running:
                    await asyncio.sleep(0.005)
            assert time.monotonic() - began < 1.0
            await playing
            # Claims of the stages are refused too, but who takes the entry says so nowhere in the job.
            assert await read_state(redis_client, at) == then
            assert not await redis_client.exists(keys.job_parts(job_id), at.pcm_log)
    assert in_mid_work >= 30


async def test_a_jobs_keys_outlive_its_work(redis_client: Redis) -> None:
    """A fixed bug: writing audio cut the life of a job's hash to that of a session's."""
    await posted(redis_client, JOB, seconds(5))
    assert await redis_client.ttl(AT.state) > 86_000
