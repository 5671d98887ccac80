"""What is left to do of file jobs, as an autoscaler reads it."""

import msgspec
import pytest
from redis.asyncio import Redis
from support.wiring import bus_on

from stt_shared.contracts.jobs import JobConfig
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.streams import keys
from stt_shared.streams.job_backlog import JobBacklog, read_backlog
from stt_shared.streams.jobs import NewJob

pytestmark = pytest.mark.contract

NOW_MS = 100_000.0


async def test_the_backlog_is_what_is_left_of_all_files(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    assert await read_backlog(bus.pipeline, NOW_MS) == JobBacklog(0, 0.0, 0.0)
    # More than one client may have decoded at a time: the others stay in the queue.
    for number in range(6):
        job = NewJob(f"job-{number}", "e", msgspec.json.encode(JobConfig(f"job-{number}")))
        await bus.jobs.create([job], NOW_MS - 60_000 + number * 1000, client="c")
    assert await redis_client.zcard(keys.JOBS_QUEUED) == 2
    assert await read_backlog(bus.pipeline, NOW_MS) == JobBacklog(6, 0.0, 60.0)

    await redis_client.hset(keys.job_keys("job-0").state, "total_samples", 100 * AUDIO_RATE_HZ)
    await redis_client.hset(
        keys.job_keys("job-1").state, mapping={"total_samples": 100 * AUDIO_RATE_HZ, "progress": 25}
    )
    assert await read_backlog(bus.pipeline, NOW_MS) == JobBacklog(5, 175.0, 60.0)

    await bus.jobs.fail(keys.job_keys("job-0"), "e", "bad_audio", "no audio")
    assert await read_backlog(bus.pipeline, NOW_MS) == JobBacklog(4, 75.0, 58.0)


async def test_a_clock_that_is_behind_makes_no_negative_wait(redis_client: Redis) -> None:
    bus = bus_on(redis_client)
    await bus.jobs.create([NewJob("job", "e", msgspec.json.encode(JobConfig("job")))], NOW_MS)
    assert (await read_backlog(bus.pipeline, NOW_MS - 5000)).oldest_wait_s == 0
