"""A gateway after proxies: whom it believes, and below which path it answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from redis.asyncio import Redis
from support.gateway_harness import Gateway, line, running_gateway, stand_ins, tell_status

pytestmark = pytest.mark.contract

JOBS = "/v1/stt/jobs"
FILE = {"file": ("a.mp3", b"ID3")}


@pytest.fixture
def start(redis_client: Redis, redis_url: str, tmp_path: Path) -> Any:
    def started(**settings: Any) -> Any:
        return running_gateway(redis_client, redis_url, tmp_path / "spool", **settings)

    return started


@pytest.fixture(autouse=True)
async def neighbours(redis_client: Redis) -> AsyncIterator[None]:
    async with stand_ins(redis_client):
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        yield


def client_of(gateway: Gateway) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False)


async def first_of(gateway: Gateway, client: str) -> str:
    async with line(gateway.stream(), additional_headers={"X-Forwarded-For": client}) as one:
        event = await one.socket.recv()
        return "at_capacity" if "at_capacity" in event else "ready"


async def test_an_address_that_a_client_makes_up_opens_no_more_connections(start: Any) -> None:
    async with start(max_sessions_per_client=1) as gateway:
        async with line(gateway.stream(), additional_headers={"X-Forwarded-For": "192.0.2.1"}) as held:
            await held.hear("ready")
            assert await first_of(gateway, "192.0.2.2") == "at_capacity"


async def test_clients_of_a_trusted_proxy_are_counted_by_their_own_addresses(start: Any) -> None:
    async with start(max_sessions_per_client=1, trusted_proxies="127.0.0.1") as gateway:
        for held_by, same, other in [
            ("192.0.2.1", "9.9.9.9, 192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"),
        ]:
            async with line(gateway.stream(), additional_headers={"X-Forwarded-For": held_by}) as held:
                await held.hear("ready")
                assert await first_of(gateway, same) == "at_capacity"
                assert await first_of(gateway, other) == "ready"


async def test_a_forwarded_host_is_checked_like_the_host(start: Any) -> None:
    public = {"X-Forwarded-Host": "stt.example.org", "Origin": "https://stt.example.org"}
    settings = {"trusted_proxies": "127.0.0.1", "allowed_hosts": "stt.example.org"}
    async with start(**settings) as gateway, client_of(gateway) as http:
        assert (await http.post(JOBS, files=FILE, headers=public)).status_code == 202
        for hosts in ("evil.example", "stt.example.org, evil.example"):
            refused = await http.get("/health/live", headers={"X-Forwarded-Host": hosts})
            assert (refused.status_code, refused.json()["error"]["code"]) == (421, "forbidden_host")
        forged = {"X-Forwarded-Host": "stt.example.org", "Origin": "http://evil.example"}
        assert (await http.post(JOBS, files=FILE, headers=forged)).status_code == 403
    async with start(allowed_hosts="stt.example.org") as gateway, client_of(gateway) as http:
        assert (await http.post(JOBS, files=FILE, headers=public)).status_code == 403, "from nobody"


async def test_a_gateway_below_a_path_answers_whether_the_proxy_removes_it_or_not(start: Any) -> None:
    async with start(root_path="/tools/stt") as gateway, client_of(gateway) as http:
        for at in ("", "/tools/stt"):
            assert (await http.get(f"{at}/health/live")).json() == {"status": "alive"}
            assert (await http.get(f"{at}/")).status_code == 200
            assert (await http.get(f"{at}/nothing")).status_code == 404
            posted = await http.post(f"{at}{JOBS}", files=FILE)
            status_url = posted.json()["status_url"]
            assert status_url.startswith("/tools/stt/v1/stt/jobs/")
            assert (await http.get(status_url)).json()["status"] == "queued"
            async with line(gateway.url.replace("http", "ws") + f"{at}/v1/stt/stream") as one:
                await one.hear("ready")
        bare = await http.get("/tools/stt")
        assert (bare.status_code, urljoin(str(bare.url), bare.headers["location"])) == (
            307,
            f"{gateway.url}/tools/stt/",
        )
        assert (await http.get("/tools/sttx/health/live")).status_code == 404


async def test_a_proxy_may_name_its_path(start: Any) -> None:
    async with start(trusted_proxies="127.0.0.1", root_path="/other") as gateway, client_of(gateway) as http:
        posted = await http.post(JOBS, files=FILE, headers={"X-Forwarded-Prefix": "/stt"})
        assert posted.json()["status_url"].startswith("/stt/v1/stt/jobs/")
    async with start() as gateway, client_of(gateway) as http:
        posted = await http.post(JOBS, files=FILE, headers={"X-Forwarded-Prefix": "/stt"})
        assert posted.json()["status_url"].startswith("/v1/stt/jobs/")


async def test_the_location_of_a_job_needs_no_setting(start: Any) -> None:
    async with start() as gateway, client_of(gateway) as http:
        posted = await http.post(f"{JOBS}?language=en", files=[("file", ("a.mp3", b"1")), ("file", ("b.mp3", b"2"))])
        target = urljoin(str(posted.url), posted.headers["location"])
        assert (await http.get(target)).json()["job_id"] == posted.json()["job_id"]
        seen_by_client = urljoin(f"https://home.example/stt{JOBS}", posted.headers["location"])
        assert seen_by_client == f"https://home.example/stt{JOBS}/{posted.json()['job_id']}"
