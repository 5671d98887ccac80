"""Jobs that the gateway answers from the transcript store: what they say, and for which uploads."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, running_gateway, stand_ins, tell_status, until
from support.posted_jobs import JOBS
from support.wiring import bus_on, read_state

from stt_shared.contracts.jobs import AudioTrack, JobResult, JobSegment, JobWarning, JobWord, TimeSpan
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

TRANSCRIPTS = "/v1/stt/transcripts"
RESULT = JobResult(
    text="what was said",
    language="en",
    duration=9.5,
    segments=[JobSegment(0, 0.0, 2.5, "what was said", 0.9, [JobWord("what", 0.0, 0.5, 0.8)])],
    unrecognized=[TimeSpan(3.0, 4.5)],
    track=AudioTrack(2, 3, "deu", "Microphone"),
    warnings=[
        JobWarning("damaged", "the file is damaged after 5.0 s", 5.0, 9.5),
        JobWarning("cut_off", "it is cut off"),
    ],
)


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "spool") as gateway:
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        yield gateway


async def post(http: httpx2.AsyncClient, name: str, language: str = "en") -> tuple[str, bool]:
    sent = await http.post(JOBS, files={"file": (name, b"the same bytes")}, data={"language": language})
    return sent.json()["job_id"], "idempotent-replayed" in sent.headers


async def complete(gateway: Gateway, http: httpx2.AsyncClient, job_id: str) -> None:
    """End the job with RESULT, and wait until it is stored."""
    at = keys.job_keys(job_id)
    epoch = (await read_state(gateway.client, at))[b"epoch"].decode()
    assert await bus_on(gateway.client).jobs.complete(at, epoch, RESULT)

    async def stored() -> bool:
        return (await http.get(f"{TRANSCRIPTS}/{job_id}")).status_code == 200

    await until(stored)


async def told(http: httpx2.AsyncClient, job_id: str) -> list[Any]:
    """Everything that the routes of a job say about it."""
    kinds = ("json", "txt", "srt", "vtt")
    results = [await http.get(f"{JOBS}/{job_id}/result.{kind}") for kind in kinds]
    return [(await http.get(f"{JOBS}/{job_id}")).json(), *(result.text for result in results)]


@pytest.mark.parametrize("name", ["talk.wav", "two  spaces.wav", "n" * 254 + " .wav"], ids=["plain", "spaces", "long"])
async def test_a_job_says_the_same_when_it_has_left_redis(
    gateway: Gateway, http: httpx2.AsyncClient, name: str
) -> None:
    job_id, _ = await post(http, name)
    await complete(gateway, http, job_id)
    in_redis = await told(http, job_id)
    assert msgspec.convert(in_redis[0]["result"], JobResult) == RESULT
    assert await gateway.client.delete(keys.job_keys(job_id).state) == 1
    assert await told(http, job_id) == in_redis


async def test_a_stored_transcript_says_what_its_job_says(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id, _ = await post(http, "talk.wav")
    await complete(gateway, http, job_id)
    result = (await http.get(f"{JOBS}/{job_id}")).json()["result"]
    stored = (await http.get(f"{TRANSCRIPTS}/{job_id}")).json()
    assert {name: stored[name] for name in result} == result


async def test_the_same_file_is_answered_from_the_store_and_kept_under_each_of_its_names(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    first, replayed = await post(http, "one.wav")
    assert not replayed
    await complete(gateway, http, first)
    assert await post(http, "one.wav") == (first, True)
    second, replayed = await post(http, "two.wav")
    assert replayed
    assert second != first
    job = (await http.get(f"{JOBS}/{second}")).json()
    assert (job["status"], job["filename"]) == ("completed", "two.wav")
    assert msgspec.convert(job["result"], JobResult) == RESULT
    names = [one["filename"] for one in (await http.get(TRANSCRIPTS)).json()["transcripts"]]
    assert sorted(names) == ["one.wav", "two.wav"]
    assert (await post(http, "one.wav", "de"))[1] is False, "other options are other work"
    assert len(gateway.spooled) == 2


async def test_a_name_with_odd_spaces_is_known_again(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    first, _ = await post(http, "two  spaces.wav")
    await complete(gateway, http, first)
    assert await post(http, "two  spaces.wav") == (first, True)
