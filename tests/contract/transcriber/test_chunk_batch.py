"""Chunks of files on a real server: decoded together, and of one language, whoever is done first."""

import asyncio
import random
import threading
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from redis.asyncio import Redis
from support.job_harness import FirstSamples, Transcriber, ended, play, posted, sayings, seconds
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobConfig, JobResult
from stt_shared.streams import keys
from stt_shared.streams.jobs import NewJob
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode.pool import Decoded
from stt_transcriber.engines.base import FileEngine, GiveWay

pytestmark = pytest.mark.contract
JOB = "batches-0123456789abcdef"


class Batching(FirstSamples):
    """Takes pieces of files together, each batch for a while of its own; hears a language in each piece, the one that
    is loudest at its beginning, unless one is requested."""

    parallel = 1
    max_file_batch = 4
    languages = ("en", "de", "fr")
    is_multilingual = True
    biased_by_keyterms = False
    hears_earlier = False

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.asked_languages: list[str | None] = []
        self.evidence_s: list[float] = []
        self._chance = random.Random(seed)

    def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
        assert all(request.quality is Quality.FILE for request in requests)
        self.batches.append(len(requests))
        self._let_go.wait(self._chance.uniform(0.0, 0.05))
        heard = []
        for request in requests:
            give_way()
            self.asked_languages.append(request.language)
            if request.language_samples is not None:
                self.evidence_s.append(len(request.language_samples) / 16000)
            own = self.languages[round(float(request.samples.max()) * 32768) % 3]
            hypothesis = self._decode(request)
            heard.append(_in(hypothesis, request.language or own))
        return heard


def _in(hypothesis: Hypothesis, language: str) -> Hypothesis:
    return Hypothesis(hypothesis.text, hypothesis.words, language, 1.0, -0.1, 0.0, 1.0)


async def transcribed(client: Redis, url: str, job_id: str, engines: Sequence[Batching]) -> JobResult:
    await posted(client, job_id, [], played=False)
    workers = [Transcriber(url, f"{job_id[:4]}-{n}", engine, concurrency=0) for n, engine in enumerate(engines)]
    for worker in workers:
        await worker.__aenter__()
    try:
        await play(client, job_id, seconds(300))
        result = await ended(client, job_id, timeout_s=40)
    finally:
        for worker in workers:
            await worker.__aexit__(None, None, None)
    assert isinstance(result, JobResult)
    return result


async def test_chunks_are_decoded_together(redis_client: Redis, redis_url: str) -> None:
    engine = Batching()
    assert isinstance(engine, FileEngine)
    await posted(redis_client, JOB, seconds(300), played=False)
    # All of it is there before the first decode ends.
    engine._chance.uniform = lambda low, high: 0.3  # type: ignore[method-assign]
    async with Transcriber(redis_url, "t1", engine, concurrency=0):
        await play(redis_client, JOB, seconds(300))
        result = await ended(redis_client, JOB, timeout_s=40)
    assert isinstance(result, JobResult)
    assert max(engine.batches) > 1
    assert max(engine.batches) <= engine.max_file_batch


async def test_the_languages_of_a_file_do_not_hang_on_who_is_done_first(redis_client: Redis, redis_url: str) -> None:
    results = []
    for turn in range(4):
        engines = [Batching(10 * turn + n) for n in range(3)]
        results.append(await transcribed(redis_client, redis_url, f"{turn}-language-0123456789ab", engines))
    spoken = {segment.language for segment in results[0].segments}
    assert len(spoken) > 1, "each chunk has its own"
    assert results[0].language in spoken
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("count", [4, 12], ids=["decided at the end", "decided on the way"])
async def test_short_sayings_are_detected_by_the_voice_around_them_too(
    redis_client: Redis, redis_url: str, count: int
) -> None:
    audio = sayings(count)
    engine = Batching()
    await posted(redis_client, JOB, audio)
    async with Transcriber(redis_url, "t1", engine, concurrency=0):
        result = await ended(redis_client, JOB, timeout_s=40)
    assert isinstance(result, JobResult)
    assert len(result.segments) == count == len(engine.evidence_s)
    assert all(2.5 <= seconds <= 8 for seconds in engine.evidence_s), engine.evidence_s


async def test_a_language_that_was_asked_for_is_not_sought(redis_client: Redis, redis_url: str) -> None:
    config = msgspec.json.encode(JobConfig(JOB, language="fr"))
    assert await bus_on(redis_client).jobs.create([NewJob(JOB, "e", config)], 0)
    engine = Batching()
    async with Transcriber(redis_url, "t1", engine, concurrency=0):
        await play(redis_client, JOB, seconds(100))
        result = await ended(redis_client, JOB)
    assert isinstance(result, JobResult)
    assert result.language == "fr"
    assert set(engine.asked_languages) == {"fr"}


async def test_live_work_begins_while_files_have_all_workers(redis_client: Redis, redis_url: str) -> None:
    class Endless(Batching):
        """A batch whose steps go on until it is let go."""

        began, over = threading.Event(), threading.Event()
        steps = 0

        def decode_files(self, requests: Sequence[DecodeRequest], give_way: GiveWay) -> list[Hypothesis]:
            self.began.set()
            while not self.over.is_set():
                give_way()
                self.steps += 1
                self.over.wait(0.001)
            return super().decode_files(requests, give_way)

    class Live:
        key = "live"

        def __init__(self) -> None:
            self.decoded: asyncio.Future[Decoded] = asyncio.get_running_loop().create_future()

        def next_request(self) -> DecodeRequest:
            return DecodeRequest(np.full(16000, 0.5, np.float32), "en")

        async def deliver(self, decoded: Decoded) -> None:
            self.decoded.set_result(decoded)

    engine, live = Endless(), Live()
    await posted(redis_client, JOB, seconds(60))
    async with Transcriber(redis_url, "t1", engine, concurrency=0) as worker:
        assert await asyncio.to_thread(engine.began.wait, 10)
        worker._pool.submit(Kind.PARTIAL, 100.0, live)
        async with asyncio.timeout(10):
            assert (await live.decoded).hypothesis is not None
        before = engine.steps
        assert worker._pool.longest_running_s < 5.0
        engine.over.set()
        assert isinstance(await ended(redis_client, JOB), JobResult)
        assert engine.steps >= before
    assert not await redis_client.exists(keys.job_parts(JOB))
