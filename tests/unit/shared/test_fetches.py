"""Files at URLs from the order until they are here."""

import asyncio

import pytest
from support.fake_bus import fake_bus

from stt_shared.contracts.jobs import FetchOrder, JobConfig, JobStatus
from stt_shared.contracts.session import encode_json
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.fetches import Fetch
from stt_shared.streams.jobs import CreateRefusal, JobLimits, NewJob

pytestmark = pytest.mark.unit

ORDER = FetchOrder("https://example.org/a.mp3", 7)


@pytest.fixture
def bus() -> Bus:
    return fake_bus()


async def ordered(bus: Bus, job_id: str = "j1", limits: JobLimits | None = None) -> object:
    job = NewJob(job_id, "e1", encode_json(JobConfig(job_id)), encode_json(ORDER))
    return await bus.jobs.create([job], 1000.0, client="c", limits=limits or JobLimits())


async def taken(bus: Bus, lease_ms: int = 60_000) -> Fetch:
    (fetch,) = await bus.fetches.claim(8, lease_ms=lease_ms)
    return fetch


async def test_a_job_waits_in_its_place_until_its_file_is_here(bus: Bus) -> None:
    await ordered(bus)
    assert await bus.jobs.admit() == 0
    fetch = await taken(bus)
    assert (fetch.job_id, fetch.attempts, fetch.order, fetch.client) == ("j1", 1, ORDER, "c")
    assert await bus.fetches.claim(8) == []
    assert await bus.fetches.renew(fetch, 5, 10)
    state = await bus.jobs.state("j1")
    assert state is not None
    assert (state.status, state.fetched_bytes, state.total_bytes) == (JobStatus.FETCHING, 5, 10)
    assert await bus.fetches.release(fetch, JobConfig("j1.1", "a.mp3", 10))
    state = await bus.jobs.state("j1")
    assert state is not None
    assert (state.status, state.config.spool_name, state.fetched_bytes) == (JobStatus.QUEUED, "j1.1", 0)
    assert await bus.client.zcard(keys.JOBS_TO_FETCH) == 0
    assert not await bus.client.hexists(keys.job_keys("j1").state, "fetch")
    assert await bus.jobs.admit() == 1


async def test_it_counts_as_unfinished(bus: Bus) -> None:
    limits = JobLimits(per_client=1)
    await ordered(bus, limits=limits)
    assert await ordered(bus, "j2", limits) is CreateRefusal.CLIENT_FULL


async def test_whoever_lost_it_changes_nothing(bus: Bus) -> None:
    await ordered(bus)
    late = await taken(bus, lease_ms=1)
    await asyncio.sleep(0.01)
    now = await taken(bus)
    assert now.attempts == 2
    assert not await bus.fetches.renew(late, 1, 1)
    assert not await bus.fetches.release(late, JobConfig("j1.1"))
    assert not await bus.fetches.retry(late, 0)
    assert await bus.fetches.renew(now, 1, 1)


async def test_what_was_not_tried_does_not_count(bus: Bus) -> None:
    await ordered(bus)
    assert await bus.fetches.postpone(await taken(bus), 0)
    fetch = await taken(bus)
    assert fetch.attempts == 1
    assert await bus.fetches.retry(fetch, 0)
    assert (await taken(bus)).attempts == 2


async def test_a_job_that_has_ended_is_not_fetched_and_keeps_no_url(bus: Bus) -> None:
    await ordered(bus)
    fetch = await taken(bus)
    assert await bus.jobs.finish(keys.job_keys("j1"), "e1", JobStatus.CANCELLED, now_ms=0)
    assert not await bus.fetches.renew(fetch, 1, 1)
    assert not await bus.fetches.release(fetch, JobConfig("j1.1"))
    assert not await bus.client.hexists(keys.job_keys("j1").state, "fetch")
    await bus.client.zadd(keys.JOBS_TO_FETCH, {"j1": 0})
    assert await bus.fetches.claim(8) == []
    assert await bus.client.zcard(keys.JOBS_TO_FETCH) == 0
