"""Callbacks from the end of what they are about until they are settled."""

import asyncio

import pytest
from fakeredis import FakeAsyncRedis
from support.fake_bus import fake_bus

from stt_shared.contracts.jobs import CallbackView, JobConfig, JobStatus
from stt_shared.contracts.makers import Maker
from stt_shared.contracts.session import encode_json
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.callbacks import Callback, CallbackKind, CallbackStatus
from stt_shared.streams.jobs import NewJob

pytestmark = pytest.mark.unit

URL = "https://example.org/hook"


@pytest.fixture
def bus() -> Bus:
    return fake_bus()


async def ended_job(bus: Bus, job_id: str = "j1", url: str = URL, status: JobStatus = JobStatus.CANCELLED) -> None:
    config = encode_json(JobConfig(job_id, prompt="names", callback_url=url, maker=Maker("acme", "k")))
    await bus.jobs.create([NewJob(job_id, "e1", config)], 1000.0)
    assert await bus.jobs.finish(keys.job_keys(job_id), "e1", status, now_ms=2000)


async def taken(bus: Bus) -> Callback:
    (callback,) = await bus.callbacks.claim(8)
    return callback


def redis_of(bus: Bus) -> FakeAsyncRedis:
    client = bus.client
    assert isinstance(client, FakeAsyncRedis)
    return client


async def test_the_step_that_ends_a_job_makes_its_callback_due(bus: Bus) -> None:
    await ended_job(bus)
    assert await bus.callbacks.view("j1") == CallbackView("pending", 0)
    assert await taken(bus) == Callback("j1", 1, CallbackKind.JOB, "j1", "e1", URL, "acme", 2000)
    assert await bus.callbacks.claim(8) == [], "it is taken"


async def test_a_failed_job_with_a_callback_stays_readable_as_long_as_it_may_be_told(bus: Bus) -> None:
    await ended_job(bus)
    assert await redis_of(bus).ttl(keys.job_keys("j1").state) > keys.FAILED_JOB_TTL_S


async def test_a_job_without_one_leaves_nothing(bus: Bus) -> None:
    await ended_job(bus, url="")
    assert await bus.callbacks.waiting() == 0
    assert await bus.callbacks.view("j1") is None


async def test_a_delivered_one_is_not_due_again(bus: Bus) -> None:
    await ended_job(bus)
    assert await bus.callbacks.settle(await taken(bus), CallbackStatus.DELIVERED)
    assert await bus.callbacks.waiting() == 0
    assert await bus.callbacks.view("j1") == CallbackView("delivered", 1)


async def test_a_failed_one_is_due_again_later_and_counts_on(bus: Bus) -> None:
    await ended_job(bus)
    assert await bus.callbacks.retry(await taken(bus), 0, "no answer")
    assert await bus.callbacks.view("j1") == CallbackView("pending", 1, "no answer")
    again = await taken(bus)
    assert again.attempts == 2
    assert await bus.callbacks.retry(again, 60_000, "no answer")
    assert await bus.callbacks.claim(8) == []
    assert await bus.callbacks.waiting() == 1


async def test_what_a_dead_gateway_had_taken_is_due_again_under_the_same_id(bus: Bus) -> None:
    await ended_job(bus)
    (dead,) = await bus.callbacks.claim(8, lease_ms=20)
    await asyncio.sleep(0.03)
    heir = await taken(bus)
    assert (heir.id, heir.attempts) == (dead.id, 2)
    assert not await bus.callbacks.settle(dead, CallbackStatus.FAILED, "too late"), "whoever has lost it may not write"
    assert await bus.callbacks.settle(heir, CallbackStatus.DELIVERED)
    assert await bus.callbacks.view("j1") == CallbackView("delivered", 2)


async def test_one_that_was_not_tried_does_not_count(bus: Bus) -> None:
    await ended_job(bus)
    assert await bus.callbacks.postpone(await taken(bus), 0)
    assert (await taken(bus)).attempts == 1


async def test_that_of_a_deleted_job_is_forgotten(bus: Bus) -> None:
    await ended_job(bus)
    assert await bus.jobs.delete("j1")
    assert await bus.callbacks.claim(8) == []
    assert await bus.callbacks.waiting() == 0


async def test_a_session_is_looked_at_until_it_has_ended_and_at_once_then(bus: Bus) -> None:
    await bus.callbacks.watch_session("acme/s1", "e9", URL, "acme")
    callback = await taken(bus)
    assert callback == Callback("session.e9", 1, CallbackKind.SESSION, "acme/s1", "e9", URL, "acme")
    await bus.callbacks.postpone(callback, 60_000)
    assert await bus.callbacks.claim(8) == []
    await bus.callbacks.session_ended("e9")
    callback = await taken(bus)
    assert await bus.callbacks.keep_body(callback, b"{}")
    assert await bus.callbacks.retry(callback, 0, "no answer")
    assert (await taken(bus)).body == b"{}"


async def test_the_end_of_a_session_without_a_callback_leaves_nothing(bus: Bus) -> None:
    await bus.callbacks.session_ended("e9")
    assert await bus.callbacks.waiting() == 0
