"""HEAD on every address that GET has: monitors and load balancers ask so."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi.routing import APIRoute
from redis.asyncio import Redis
from support.gateway_harness import Gateway, end_job, gateway_with_store, until

from stt_gateway.app import create_app

pytestmark = pytest.mark.contract

CHANGING = {"content-length", "date"}
"""Headers that differ between two answers of the same address: /metrics counts the requests."""


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_with_store(redis_client, redis_url, tmp_path, f"sqlite:///{tmp_path}/t.db") as gateway:
        yield gateway


async def completed_job(gateway: Gateway, http: httpx2.AsyncClient) -> str:
    """Id of a job that has ended and is stored."""
    posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"ID3")})
    job_id = str(posted.json()["job_id"])
    await end_job(gateway.client, job_id, "Ever tried.")

    async def is_stored() -> bool:
        return (await http.get(f"/v1/stt/transcripts/{job_id}")).status_code == 200

    await until(is_stored)
    return job_id


def addresses(gateway: Gateway, job_id: str) -> list[str]:
    """One address of each GET route, from the app's own table."""
    given = {"job_id": job_id, "id": job_id, "conversation_id": "board", "kind": "srt", "name": "start.js"}
    included = [one.original_router for one in create_app(gateway.settings).routes if hasattr(one, "original_router")]
    paths = [
        route.path
        for router in included
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods
    ]
    filled = [re.sub(r"\{(\w+)(:path)?\}", lambda found: given.get(found[1], "x"), path) for path in paths]
    assert {"/", "/health", "/metrics", "/openapi.json", f"/v1/stt/jobs/{job_id}/events"} <= set(filled)
    return filled


async def test_head_answers_as_get_without_a_body(gateway: Gateway, http: httpx2.AsyncClient) -> None:
    job_id = await completed_job(gateway, http)
    for address in [*addresses(gateway, job_id), "/nothing", "/v1/stt/jobs/nobody"]:
        get, head = await http.get(address), await http.head(address)
        assert head.status_code == get.status_code, address
        assert head.content == b"", address
        compared = [
            {name: value for name, value in answer.headers.items() if name not in CHANGING} for answer in (get, head)
        ]
        for headers in compared:
            headers.pop("transfer-encoding", None)
        assert compared[0] == compared[1], address


async def test_head_of_a_stream_ends_at_once_and_the_connection_serves_on(
    gateway: Gateway, http: httpx2.AsyncClient
) -> None:
    posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"ID3")})
    async with asyncio.timeout(5):
        for _ in range(3):
            head = await http.head(f"/v1/stt/jobs/{posted.json()['job_id']}/events")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"].startswith("text/event-stream")
            assert (await http.get("/health/live")).json() == {"status": "alive"}


async def test_head_changes_nothing(http: httpx2.AsyncClient) -> None:
    posted = await http.post("/v1/stt/jobs", files={"file": ("a.mp3", b"ID3")})
    job = f"/v1/stt/jobs/{posted.json()['job_id']}"
    assert (await http.head(f"{job}/cancel")).status_code == 405
    assert (await http.get(job)).json()["status"] == "queued"
