"""Pages of other sites can do nothing to a gateway that a browser reaches, unless they are allowed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, gateway_with_store, line, running_gateway, stand_ins

pytestmark = pytest.mark.contract

EVIL = "http://evil.example"
JOBS = "/v1/stt/jobs"
SOCKETS = ["/v1/stt/stream", "/v1/stt/conversations/board", "/api/stt/transcribe", "/api/stt/connect"]
READS = ["/", "/health", "/metrics", "/openapi.json", "/v1/stt/transcripts", "/v1/stt/conversations/board", "/nothing"]


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_with_store(redis_client, redis_url, tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        yield gateway


async def asked(gateway: Gateway, head: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to exactly these header lines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    with contextlib.closing(writer):
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        async with asyncio.timeout(5):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(answer.lower().partition("content-length:")[2].split()[0])
            return int(answer.split()[1]), json.loads(await reader.readexactly(length))


def handshake(path: str, *fields: str) -> str:
    upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    return "\n".join([f"GET {path} HTTP/1.1", *upgrade, key, *fields])


async def sessions(gateway: Gateway) -> list[bytes]:
    keys: list[bytes] = await gateway.client.keys("stt:stream:*")
    return keys


async def test_a_page_of_another_site_opens_no_websocket(gateway: Gateway) -> None:
    host = gateway.url.partition("//")[2]
    for path in SOCKETS:
        for origin in (EVIL, "null", "http://127.0.0.1:1"):
            status, body = await asked(gateway, handshake(path, f"Host: {host}", f"Origin: {origin}"))
            assert (status, body["error"]["code"]) == (403, "forbidden_origin"), path
    assert await sessions(gateway) == []


async def test_a_page_of_another_site_changes_nothing(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = (await http.post(JOBS, files={"file": ("a.mp3", b"ID3" + bytes(64))})).json()["job_id"]
    host = gateway.url.partition("//")[2]
    # The body is never asked for.
    status, _ = await asked(gateway, f"POST {JOBS} HTTP/1.1\nHost: {host}\nOrigin: {EVIL}\nContent-Length: 1000000")
    assert status == 403
    job = f"{JOBS}/{job_id}"
    transcript = f"/v1/stt/transcripts/{job_id}"
    for method, path in [("POST", f"{job}/cancel"), ("DELETE", job), ("DELETE", transcript), ("PATCH", transcript)]:
        answer = await http.request(method, path, headers={"Origin": EVIL}, json={"title": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden_origin"), path
    assert (await http.get(f"{JOBS}/{job_id}")).json()["status"] == "queued"
    assert len(gateway.spooled) == 1


async def test_a_page_of_another_site_cannot_read_answers(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v1/stt/transcripts", headers={"Origin": EVIL})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    asking = {"Origin": EVIL, "Access-Control-Request-Method": "DELETE"}
    assert "access-control-allow-origin" not in (await http.options("/v1/stt/transcripts", headers=asking)).headers


async def test_a_rebound_name_gets_nothing(gateway: Gateway) -> None:
    port = gateway.url.rpartition(":")[2]
    name = f"rebind.example:{port}"
    for path in READS:
        status, body = await asked(gateway, f"GET {path} HTTP/1.1\nHost: {name}")
        assert (status, body["error"]["code"]) == (421, "forbidden_host"), path
        assert "ALLOWED_HOSTS" in body["error"]["message"]
    for path in SOCKETS:
        status, _ = await asked(gateway, handshake(path, f"Host: {name}", f"Origin: http://{name}"))
        assert status == 421, path
    assert await sessions(gateway) == []
    for hosts in ("", "\nHost: 127.0.0.1\nHost: 127.0.0.1"):
        assert (await asked(gateway, f"GET /health/live HTTP/1.1{hosts}"))[0] == 400


async def test_the_own_page_and_plain_clients_speak(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    for fields in ({}, {"Origin": gateway.url}):
        async with line(gateway.stream(), additional_headers=fields) as client:
            await client.hear("ready")
            await client.send(STOP)
            assert await client.rest() == 1000
        assert (await http.post(JOBS, files={"file": ("a.mp3", b"ID3")}, headers=fields)).status_code == 202


async def test_a_client_is_told_why_its_handshake_was_refused(gateway: Gateway) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with line(gateway.stream(), origin="http://evil.example"):
            pass
    assert b"ALLOWED_ORIGINS" in refusal.value.response.body


async def test_an_allowed_page_streams_uploads_and_reads(redis_client: Redis, redis_url: str, tmp_path: Path) -> None:
    page = "https://app.example.org"
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, allowed_origins=page) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):
        async with line(gateway.stream(), origin=page) as client:
            await client.hear("ready")
        asking = {
            "Origin": page,
            "Access-Control-Request-Method": "DELETE",
            "Access-Control-Request-Headers": "idempotency-key",
        }
        allowed = await http.options(f"{JOBS}/x", headers=asking)
        assert allowed.headers["access-control-allow-origin"] == page
        assert "DELETE" in allowed.headers["access-control-allow-methods"]
        assert allowed.headers["access-control-allow-headers"] == "idempotency-key"
        # Errors must be readable as well.
        for answer in (
            await http.get(f"{JOBS}/x", headers={"Origin": page}),
            await http.get("/", headers={"Origin": page}),
        ):
            assert answer.headers["access-control-allow-origin"] == page
            assert "Origin" in answer.headers["vary"]
        assert (await http.delete(f"{JOBS}/x", headers={"Origin": page})).status_code == 404
        assert (await http.delete(f"{JOBS}/x", headers={"Origin": EVIL})).status_code == 403
        assert "access-control-allow-origin" not in (await http.get("/", headers={"Origin": EVIL})).headers


async def test_an_allowed_page_may_use_every_route_and_read_its_headers(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    page = {"Origin": "https://app.example.org"}
    async with (
        stand_ins(redis_client),
        running_gateway(redis_client, redis_url, tmp_path, allowed_origins=page["Origin"]) as gateway,
        httpx2.AsyncClient(base_url=gateway.url, timeout=10, trust_env=False) as http,
    ):
        for path, operation in (await http.get("/openapi.json")).json()["paths"].items():
            for method in operation:
                asking = {"Access-Control-Request-Method": method.upper(), "Access-Control-Request-Headers": "range"}
                address = path.format(job_id="x", id="x", kind="txt", conversation_id="x", model="x", name="x")
                allowed = await http.options(address, headers={**page, **asking})
                assert allowed.status_code == 200, (method, path)
                assert allowed.headers["access-control-allow-origin"] == page["Origin"]
        posted = await http.post(JOBS, files={"file": ("a.mp3", b"ID3")}, headers=page)
        exposed = set(posted.headers["access-control-expose-headers"].split(", "))
        assert {"Location", "Retry-After", "Idempotent-Replayed"} <= exposed


async def test_a_gateway_on_all_addresses_is_opened_from_the_network(
    redis_client: Redis, redis_url: str, tmp_path: Path
) -> None:
    async with running_gateway(redis_client, redis_url, tmp_path, host="0.0.0.0") as gateway:
        for host in ("192.168.1.20:8000", "[2001:db8::7]:8000"):
            origin = f"Host: {host}\nOrigin: http://{host}"
            status, body = await asked(gateway, f"DELETE {JOBS}/x HTTP/1.1\n{origin}")
            assert (status, body["error"]["code"]) == (404, "not_found")
        assert (await asked(gateway, "GET /health/live HTTP/1.1\nHost: evil.example"))[0] == 421
