"""The gateway while its database is locked, full or gone: it says so, and what was heard meanwhile is stored later."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from redis.asyncio import Redis
from sqlalchemy import Connection
from support.gateway_harness import Gateway, end_job, gateway_with_store, until

from stt_gateway.store import engine as store_engine

pytestmark = pytest.mark.contract

JOBS = "/v1/stt/jobs"
TRANSCRIPTS = "/v1/stt/transcripts"
FULL_PAGES = 1
"""Fewer than there are: no page can be added."""


class Disk:
    """Pages that the database may have."""

    pages = 1_000_000


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, begin = Disk(), store_engine._begin

    def limited(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {disk.pages}")
        begin(connection)

    monkeypatch.setattr(store_engine, "_begin", limited)
    monkeypatch.setattr(store_engine, "LOCK_WAIT_S", 0.2)
    return disk


@pytest.fixture
async def gateway(redis_client: Redis, redis_url: str, tmp_path: Path, disk: Disk) -> AsyncIterator[Gateway]:
    (tmp_path / "volume").mkdir()
    url = f"sqlite:///{tmp_path}/volume/transcripts.db"
    async with gateway_with_store(redis_client, redis_url, tmp_path, url) as gateway:
        yield gateway


@pytest.fixture
async def http(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=20, trust_env=False) as http:
        yield http


async def heard(gateway: Gateway, http: httpx2.AsyncClient, name: str, text: str) -> str:
    """A file's job from the upload to its end; answers its id."""
    sent = await http.post(JOBS, files={"file": (name, name.encode())})
    assert sent.status_code == 202, sent.text
    job_id = str(sent.json()["job_id"])
    await end_job(gateway.client, job_id, text)
    return job_id


async def assert_told(answer: Awaitable[httpx2.Response], reason: str) -> None:
    response = await answer
    assert response.status_code == 503, response.text
    error = response.json()["error"]
    assert error["code"] == "unavailable"
    assert reason in error["message"]


def stored(http: httpx2.AsyncClient, id: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return (await http.get(f"{TRANSCRIPTS}/{id}")).status_code == 200

    return look


async def assert_heard_meanwhile(gateway: Gateway, http: httpx2.AsyncClient) -> str:
    """A file is transcribed and fetched as if nothing were wrong."""
    job_id = await heard(gateway, http, "meanwhile.wav", "heard meanwhile")
    assert (await http.get(f"{JOBS}/{job_id}")).json()["result"]["text"] == "heard meanwhile"
    assert (await http.get(f"{JOBS}/{job_id}/result.txt")).status_code == 200
    return job_id


async def assert_all_there(http: httpx2.AsyncClient, before: str, meanwhile: str) -> None:
    await until(stored(http, meanwhile))
    page = (await http.get(TRANSCRIPTS)).json()["transcripts"]
    assert sorted(one["id"] for one in page) == sorted([before, meanwhile])
    (found,) = (await http.get(TRANSCRIPTS, params={"query": "meanwhile"})).json()["transcripts"]
    assert found["id"] == meanwhile


async def test_locked(gateway: Gateway, http: httpx2.AsyncClient, tmp_path: Path) -> None:
    before = await heard(gateway, http, "before.wav", "heard before")
    await until(stored(http, before))
    locker = sqlite3.connect(tmp_path / "volume" / "transcripts.db", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    try:
        await assert_told(http.delete(f"{TRANSCRIPTS}/{before}"), "locked")
        await assert_told(http.delete(f"{JOBS}/{before}"), "locked")
        await assert_told(http.patch(f"{TRANSCRIPTS}/{before}", json={"title": "x"}), "locked")
        # Half deleted would be neither here nor there.
        assert (await http.get(f"{JOBS}/{before}")).json()["result"]["text"] == "heard before"
        meanwhile = await assert_heard_meanwhile(gateway, http)
    finally:
        locker.rollback()
        locker.close()
    await assert_all_there(http, before, meanwhile)


async def test_full(gateway: Gateway, http: httpx2.AsyncClient, disk: Disk) -> None:
    before = await heard(gateway, http, "before.wav", "heard before")
    await until(stored(http, before))
    disk.pages = FULL_PAGES
    meanwhile = await heard(gateway, http, "long.wav", " ".join(f"meanwhile w{number}" for number in range(20_000)))
    assert (await http.get(f"{JOBS}/{meanwhile}/result.txt")).status_code == 200
    # Time enough to store it, were there room.
    await asyncio.sleep(1.0)
    assert (await http.get(f"{TRANSCRIPTS}/{meanwhile}")).status_code == 404
    # What is there can be read, and of the other nothing is found.
    assert (await http.get(f"{TRANSCRIPTS}/{before}")).status_code == 200
    assert (await http.get(TRANSCRIPTS, params={"query": "w7"})).json()["transcripts"] == []
    disk.pages = 1_000_000
    await assert_all_there(http, before, meanwhile)


async def test_gone(gateway: Gateway, http: httpx2.AsyncClient, tmp_path: Path) -> None:
    before = await heard(gateway, http, "before.wav", "heard before")
    await until(stored(http, before))
    there, away = tmp_path / "volume", tmp_path / "elsewhere"
    there.rename(away)
    try:
        for path in (TRANSCRIPTS, f"{TRANSCRIPTS}/{before}", f"{TRANSCRIPTS}/{before}/export.txt"):
            await assert_told(http.get(path), "gone")
        await assert_told(http.delete(f"{JOBS}/{before}"), "gone")
        assert (await http.get(f"{JOBS}/{before}")).json()["status"] == "completed"
        meanwhile = await assert_heard_meanwhile(gateway, http)
        assert not there.exists(), "no empty one in its place"
    finally:
        away.rename(there)
    await assert_all_there(http, before, meanwhile)
