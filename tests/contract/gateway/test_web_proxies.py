"""Behind the real nginx and the real Caddy, as the handbook configures them: HTTP, WebSockets, events and uploads."""

import asyncio
import shutil
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from support.certificates import make_authority, make_certificate
from support.gateway_harness import FINALIZE, STOP, line, running_gateway, stand_ins, tell_status
from support.web_proxies import caddy, nginx

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates"),
]
JOBS = "v1/stt/jobs"
Proxy = Callable[[Path, int, Path, Path], AbstractContextManager[str]]


@pytest.mark.parametrize("proxy", [nginx, caddy], ids=["nginx", "caddy"])
async def test_everything_comes_through(redis_client: Redis, redis_url: str, tmp_path: Path, proxy: Proxy) -> None:
    authority = make_authority(tmp_path)
    certificate = make_certificate(tmp_path, "live", "localhost")
    trust = ssl.create_default_context(cafile=authority)
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "max_sessions_per_client": 1}
    async with stand_ins(redis_client), running_gateway(redis_client, redis_url, tmp_path / "s", **settings) as gateway:
        await tell_status(redis_client, "transcriber", capacity=4, detail={"model": "base"})
        with proxy(tmp_path, int(gateway.url.rpartition(":")[2]), *certificate) as url:
            origin = url.removesuffix("/stt")
            async with httpx2.AsyncClient(base_url=f"{url}/", verify=trust, trust_env=False, timeout=30) as http:
                await _http(http, origin)
                await _events(http)
            await _websocket(url, origin, trust)


async def _http(http: httpx2.AsyncClient, origin: str) -> None:
    page = await http.get("")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert (await http.get("health/live")).json() == {"status": "alive"}
    # A slash too many leads back to below the same path.
    moved = await http.get("docs/", follow_redirects=True)
    assert (moved.status_code, str(moved.url).startswith(origin)) == (200, True)
    big = {"file": ("a.mp3", bytes(5_000_000))}
    posted = await http.post(JOBS, files=big, headers={"Origin": origin})
    assert posted.status_code == 202, posted.text
    path = origin + (await http.get(posted.json()["status_url"].lstrip("/").removeprefix("stt/"))).request.url.path
    assert path.endswith(posted.json()["status_url"]), "status_url has the path that the proxy adds"
    forged = await http.post(JOBS, files=big, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    refused = await http.get(
        "health/live", headers={"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    )
    assert refused.status_code in (200, 421)


async def _events(http: httpx2.AsyncClient) -> None:
    posted = await http.post(JOBS, files={"file": ("b.mp3", b"ID3b")})
    job = f"{JOBS}/{posted.json()['job_id']}"
    async with asyncio.timeout(20), http.stream("GET", f"{job}/events") as answer:
        text = ""
        async for part in answer.aiter_text():
            if not text:
                # It has come before the end: nothing is held back.
                await http.post(f"{job}/cancel")
            text += part
    assert "event: end" in text


async def _websocket(url: str, origin: str, trust: ssl.SSLContext) -> None:
    live = url.replace("https", "wss") + "/v1/stt/stream"
    # The proxy says who the client is: what clients say themselves does not count.
    made_up = {"X-Forwarded-For": "192.0.2.1"}
    async with line(live, ssl=trust, origin=origin) as first:
        await first.hear("ready")
        async with line(live, ssl=trust, additional_headers=made_up) as second:
            assert (await second.hear("error"))["code"] == "at_capacity"
        await first.send(bytes(3200), FINALIZE, STOP)
        assert await first.rest() == 1000
        assert len(first.of("final")) == 1
