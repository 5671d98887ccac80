"""Repeated posts of files: one key, one set of jobs."""

import asyncio
from typing import Any

import httpx2
import pytest
import redis
from support.gateway_harness import Gateway
from support.posted_jobs import AUDIO, JOBS, assert_refused
from support.wiring import bus_on

from stt_shared.streams import keys
from stt_shared.streams.jobs import Created, JobStreams, NewJob

pytestmark = pytest.mark.contract

KEY = {"Idempotency-Key": "order-4711"}


async def test_a_hundred_equal_posts_at_once_are_one_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    limits = httpx2.Limits(max_connections=100)
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False, limits=limits) as many:
        responses = await asyncio.gather(
            *(many.post(JOBS, files={"file": (f"{n}.mp3", AUDIO)}, headers=KEY) for n in range(100))
        )
    assert {response.status_code for response in responses} == {202}
    (job_id,) = {response.json()["job_id"] for response in responses}
    assert sorted(response.headers.get("Idempotent-Replayed", "") for response in responses) == ["", *["true"] * 99]
    assert [path.name for path in gateway.spooled] == [job_id]
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 1
    assert len(await gateway.client.keys("stt:{jobs}:job:*")) == 1


async def test_without_the_key_each_post_is_a_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    """The negative twin."""
    posts = (http.post(JOBS, files={"file": ("a.mp3", AUDIO)}) for _ in range(10))
    assert len({response.json()["job_id"] for response in await asyncio.gather(*posts)}) == 10


async def test_several_files_are_replayed_in_their_order(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    files = [("file", (f"{n}.mp3", AUDIO + bytes([n]))) for n in range(3)]
    first, second = [await http.post(JOBS, files=files, headers=KEY) for _ in range(2)]
    assert second.json() == first.json()
    assert len(gateway.spooled) == 3
    swapped = await http.post(JOBS, files=files[::-1], headers=KEY)
    assert_refused(swapped, 409, "conflict")
    assert len(gateway.spooled) == 3


OTHERS: dict[str, dict[str, Any]] = {
    "another file": {"files": {"file": ("a.mp3", AUDIO + b"x")}},
    "another language": {"files": {"file": ("a.mp3", AUDIO)}, "data": {"language": "en"}},
    "another task": {"files": {"file": ("a.mp3", AUDIO)}, "params": {"task": "translate"}},
    "another prompt": {"files": {"file": ("a.mp3", AUDIO)}, "data": {"prompt": "Ann"}},
    "a file more": {"files": [("file", ("a.mp3", AUDIO)), ("file", ("b.mp3", AUDIO))]},
}


async def test_a_key_stands_for_one_request_only(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    for name, request in OTHERS.items():
        assert_refused(await http.post(JOBS, headers=KEY, **request), 409, "conflict")
        assert len(gateway.spooled) == 1, name
    # What a file is called, and how a parameter was passed, makes no other request.
    same = await http.post(JOBS, files={"file": ("b.mp3", AUDIO)}, data={"language": "auto"}, headers=KEY)
    assert same.json() == first.json()
    assert same.headers["Idempotent-Replayed"] == "true"


async def test_a_key_lasts_as_long_as_its_job(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    (request,) = await gateway.client.keys("stt:{jobs}:request:*")
    assert 86_000 < await gateway.client.ttl(request) <= 86_400
    assert b"order" not in request, "a client's key is kept as a hash"
    await gateway.client.delete(keys.job_keys(first.json()["job_id"]).state)
    again = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    assert again.status_code == 202
    assert again.json()["job_id"] != first.json()["job_id"]


@pytest.mark.parametrize("key", ["", "two words", "k" * 256, "Grüße".encode().decode("latin-1"), "a\tb"])
async def test_a_key_that_is_none_is_refused(gateway: Gateway, http: httpx2.AsyncClient, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    response = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=headers)
    assert "255 visible" in assert_refused(response, 422, "bad_config")
    assert gateway.spooled == []


async def test_an_api_that_dies_with_the_answer_leaves_one_whole_job(
    gateway: Gateway, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis made the job, and nobody heard of it: the client asks again, and its file must still be there."""
    create = JobStreams.create

    async def answer_lost(*args: Any, **options: Any) -> None:
        await create(*args, **options)
        raise redis.ConnectionError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(JobStreams, "create", answer_lost)
        assert_refused(await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY), 503, "unavailable")
    again = await http.post(JOBS, files={"file": ("a.mp3", AUDIO)}, headers=KEY)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [path.name for path in gateway.spooled] == [again.json()["job_id"]]
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 1


async def test_a_call_that_redis_carries_out_twice_makes_one_job(gateway: Gateway) -> None:
    """redis-py repeats a call whose answer did not come."""
    jobs = [NewJob(f"twice-0123456789abc{n}", "e", b"{}") for n in range(2)]
    for key_hash in ("", "hash"):
        for _ in range(2):
            created = await bus_on(gateway.client).jobs.create(jobs, 0, key_hash=key_hash, fingerprint="f")
            assert isinstance(created, Created)
            assert (created.job_ids, created.replayed) == ([job.job_id for job in jobs], False)
    assert await gateway.client.xlen(keys.JOBS_WAITING) == 2
