"""Requests that stay open: bounded for each client and in all, told in each API's own form."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, Workers, running_gateway, tell_status, until
from support.key_samples import stored_key
from support.keyed_gateway import bearer
from support.store_samples import transcript

from stt_gateway.core.requests.principal import LOCAL, Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.sql_store import SqlTranscriptStore

pytestmark = pytest.mark.contract

HELD = 6
FILE = {"file": ("a.mp3", b"ID3")}
WAV = {"Content-Type": "audio/wav"}


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers) -> AsyncIterator[Gateway]:
    settings: dict[str, Any] = {"max_http_connections": 2 * HELD, "trusted_proxies": "127.0.0.1"}
    async with running_gateway(redis_client, redis_url, tmp_path / "spool", **settings) as gateway:
        await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
        yield gateway


def client(gateway: Gateway, address: str = "192.0.2.1") -> httpx2.AsyncClient:
    headers = {"X-Forwarded-For": address}
    return httpx2.AsyncClient(base_url=gateway.url, headers=headers, trust_env=False, verify=False, timeout=60)


@contextlib.asynccontextmanager
async def waiting(http: httpx2.AsyncClient, count: int, redis: Redis) -> AsyncIterator[None]:
    """So many requests that wait for their files."""
    tasks = [
        asyncio.create_task(http.post("/v1/audio/transcriptions", files={"file": (f"{at}.mp3", b"ID3%d" % at)}))
        for at in range(count)
    ]

    async def are_there() -> bool:
        jobs = [key async for key in redis.scan_iter("stt:{jobs}:job:*")]
        return sum(key.count(b":") == 3 for key in jobs) >= count

    try:
        await until(are_there, 30)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_those_that_wait_leave_connections_for_the_others(gateway: Gateway, redis_client: Redis) -> None:
    async with client(gateway) as http, client(gateway, "192.0.2.2") as neighbour:
        posted = await http.post("/v1/stt/jobs", files=FILE)
        events = f"/v1/stt/jobs/{posted.json()['job_id']}/events"
        async with waiting(http, HELD, redis_client):
            refused = {
                "openai": await neighbour.post("/v1/audio/transcriptions", files=FILE),
                "deepgram": await neighbour.post("/v1/listen", content=b"RIFF", headers=WAV),
                "upload": await neighbour.post("/v1/stt/jobs", files=FILE),
                "events": await neighbour.get(events),
            }
            assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 503)
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused.values())
            assert refused["openai"].json()["error"]["code"] == "at_capacity"
            assert refused["openai"].headers["x-should-retry"] == "true"
            assert refused["deepgram"].json()["err_code"]
            assert refused["upload"].json()["error"]["code"] == "at_capacity"
            assert (await neighbour.get("/v1/stt/transcripts")).status_code == 200, "all else goes on"

        async def is_free() -> bool:
            return (await neighbour.post("/v1/stt/jobs", files=FILE)).status_code == 202

        assert await until(is_free), "who leaves gives back"


async def test_one_client_does_not_get_the_last_of_them(
    redis_client: Redis, redis_url: str, tmp_path: Path, workers: Workers
) -> None:
    settings: dict[str, Any] = {"max_http_connections": 40, "trusted_proxies": "127.0.0.1"}
    async with running_gateway(redis_client, redis_url, tmp_path / "spool", **settings) as gateway:
        await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
        async with (
            client(gateway) as http,
            client(gateway, "192.0.2.2") as neighbour,
            waiting(http, 18, redis_client),
        ):
            assert (await http.post("/v1/stt/jobs", files=FILE)).status_code == 503
            assert (await neighbour.post("/v1/stt/jobs", files=FILE)).status_code == 202


async def test_who_waits_with_a_key_has_one_of_its_streams(
    keyed_gateway: Gateway, key_store: KeyStore, redis_client: Redis
) -> None:
    await tell_status(redis_client, "transcriber", capacity=16, detail={"model": "base"})
    key = await stored_key(key_store, Scope.JOBS, quotas=Quotas(streams=2))
    async with client(keyed_gateway) as http:
        http.headers.update(bearer(key))
        async with waiting(http, 2, redis_client):
            openai = await http.post("/v1/audio/transcriptions", files=FILE)
            assert (openai.status_code, openai.json()["error"]["code"]) == (429, "rate_limit_exceeded")
            deepgram = await http.post("/v1/listen", content=b"RIFF", headers=WAV)
            assert (deepgram.status_code, deepgram.json()["err_code"]) == (429, "TOO_MANY_REQUESTS")
            assert int(openai.headers["retry-after"]) == int(deepgram.headers["retry-after"]) == 5
            assert (await http.post("/v1/stt/jobs", files=FILE)).status_code == 202, "it waits for nothing"


async def test_the_last_place_for_a_search_is_another_clients(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlTranscriptStore(database_url(None, tmp_path / "spool-data"), LOCAL.reach)
    await store.of(LOCAL.reach).put(transcript(1))
    await store.close()
    search, may_end = SqlTranscriptStore.search, asyncio.Event()

    async def slow(self: SqlTranscriptStore, wanted: Any) -> Any:
        await may_end.wait()
        return await search(self, wanted)

    monkeypatch.setattr(SqlTranscriptStore, "search", slow)
    async with client(gateway) as http, client(gateway, "192.0.2.2") as neighbour:
        path = "/v1/stt/transcripts?query=number"
        searching = [asyncio.create_task(http.get(path)) for _ in range(6)]
        done, _ = await asyncio.wait(searching, timeout=2)
        assert sorted(task.result().status_code for task in done) == [503] * 3
        other = asyncio.create_task(neighbour.get(path))
        await asyncio.sleep(0.2)
        may_end.set()
        assert (await other).status_code == 200
        assert sorted(answer.status_code for answer in await asyncio.gather(*searching)) == [200] * 3 + [503] * 3
