"""Clients take turns: a short file is transcribed while the long ones of another client are in progress."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from redis.asyncio import Redis
from support.job_harness import FirstSamples, Transcriber, ended, play, seconds
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobConfig, JobResult
from stt_shared.process.clock import wall_ms
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import LEAST_CHUNKS_WAITING, SHARED_UNCUT_JOBS, Created, NewJob

pytestmark = pytest.mark.contract

LONG_S = 200
"""Length of a long file: ten chunks."""
CONCURRENCY = 2
SHORT = "short-0123456789abcdef"


@pytest.fixture
def engine() -> Iterator[FirstSamples]:
    engine = FirstSamples()
    yield engine
    engine.close()


async def test_a_short_file_waits_for_a_round_of_chunks_and_not_for_another_clients_files(
    redis_client: Redis, redis_url: str, engine: FirstSamples
) -> None:
    engine.takes_s = 60
    bus, most = bus_on(redis_client), LEAST_CHUNKS_WAITING + CONCURRENCY
    many = [f"many-{n}-0123456789abcdef" for n in range(6)]
    async with Transcriber(redis_url, "t1", engine, concurrency=CONCURRENCY):
        for job_id in many:
            await post(bus, job_id, "many")
        playing = [asyncio.create_task(play(redis_client, job_id, seconds(LONG_S))) for job_id in many]
        await until_chunks(bus, many, most)
        # Several cutters may ask for room at the same moment.
        allowed = most + SHARED_UNCUT_JOBS
        assert await redis_client.xlen(keys.JOB_CHUNKS) <= allowed
        await post(bus, SHORT, "other")
        await play(redis_client, SHORT, seconds(8))
        await until_chunks(bus, [SHORT], 1)
        assert await redis_client.xlen(keys.JOB_CHUNKS) <= allowed + 1, "the chunks ahead of it"
        engine.close()  # from here on it decodes at once
        assert all([isinstance(await ended(redis_client, job_id, 60), JobResult) for job_id in (SHORT, *many)])
        await cancel_and_wait(*playing)


async def post(bus: Bus, job_id: str, client: str) -> None:
    config = msgspec.json.encode(JobConfig(job_id, language="en"))
    assert isinstance(await bus.jobs.create([NewJob(job_id, "e", config)], wall_ms(), client=client), Created)


async def until_chunks(bus: Bus, job_ids: list[str], count: int) -> None:
    """So many chunks of these jobs have been dispatched."""
    async with asyncio.timeout(30):
        while True:
            states = [await bus.jobs.state(job_id) for job_id in job_ids]
            if sum(state.dispatched for state in states if state) >= count:
                return
            await asyncio.sleep(0.05)
