"""What every response says to caches, frames and proxies."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, gateway_with_store

from stt_gateway.http.headers import API_HEADERS

pytestmark = pytest.mark.contract

JOBS = "/v1/stt/jobs"


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_with_store(redis_client, redis_url, tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        yield gateway


def protecting(answer: httpx2.Response) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in API_HEADERS}


async def test_what_people_said_is_neither_cached_nor_framed(http: httpx2.AsyncClient) -> None:
    posted = await http.post(JOBS, files={"file": ("a.mp3", b"ID3")})
    job = f"{JOBS}/{posted.json()['job_id']}"
    answers = [
        posted,
        await http.get(job),
        await http.get(f"{job}/result.txt"),
        await http.get("/v1/stt/transcripts"),
        await http.get("/v1/stt/conversations/board"),
        await http.get("/health"),
        await http.get("/metrics"),
        await http.get("/openapi.json"),
        await http.get("/nothing"),
        await http.put(JOBS),
        await http.get("/health", headers={"Host": "evil.example"}),
        await http.delete(job, headers={"Origin": "http://evil.example"}),
    ]
    for answer in answers:
        assert protecting(answer) == dict(API_HEADERS), answer.url


async def test_pages_are_framed_by_their_own_site_alone(http: httpx2.AsyncClient) -> None:
    for path in ("/", "/docs", "/docs/start.js"):
        answer = await http.get(path)
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"


async def test_no_response_names_the_server(http: httpx2.AsyncClient) -> None:
    assert "server" not in (await http.get("/health/live")).headers


async def test_what_is_no_request_is_answered_with_the_same_headers(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    writer.write(b"nonsense\r\n\r\n")
    async with asyncio.timeout(5):
        answer = (await reader.read()).decode()
    writer.close()
    assert answer.startswith("HTTP/1.1 400 ")
    for name, value in API_HEADERS.items():
        assert f"{name}: {value}\r\n" in answer


async def test_events_pass_through_proxies(http: httpx2.AsyncClient) -> None:
    posted = await http.post(JOBS, files={"file": ("a.mp3", b"ID3")})
    async with http.stream("GET", f"{JOBS}/{posted.json()['job_id']}/events") as answer:
        assert answer.headers["x-accel-buffering"] == "no"
        assert {"no-cache", "no-transform"} <= set(answer.headers["cache-control"].split(", "))


async def test_a_watched_job_that_does_not_change_is_not_silent(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_gateway.http.event_stream.COMMENT_EVERY_S", 0.05)
    posted = await http.post(JOBS, files={"file": ("a.mp3", b"ID3")})
    job = f"{JOBS}/{posted.json()['job_id']}"
    async with asyncio.timeout(10), http.stream("GET", f"{job}/events") as answer:
        text = ""
        async for part in answer.aiter_text():
            text += part
            if text.count(":\n\n") == 3:
                await http.post(f"{job}/cancel")
    events = [block for block in text.split("\n\n") if not block.startswith(":") and block]
    assert [block.partition("\n")[0] for block in events] == ["event: progress", "event: end"]


async def test_a_slash_too_many_leads_to_the_address_without_it(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    for path, target in [
        ("/docs/", "../docs"),
        (f"{JOBS}/", "../jobs"),
        ("/v1/stt/transcripts/?query=a%20b", "../transcripts?query=a%20b"),
    ]:
        answer = await http.get(path, headers={"Host": f"x.localhost:{gateway.url.rpartition(':')[2]}"})
        assert (answer.status_code, answer.headers["location"]) == (307, target)
    found = await http.get("/health/", follow_redirects=True)
    assert (found.status_code, found.url.path) == (200, "/health")
    for path in ("/nothing/", "//evil.example/", "/docs//"):
        answer = await http.get(gateway.url + path)
        assert answer.status_code == 404, path
