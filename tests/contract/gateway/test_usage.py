"""Usage of keys: counted once, held against quotas of the day, and kept in the store."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from redis.asyncio import Redis
from support.gateway_harness import STOP, Gateway, Workers, line, until
from support.key_samples import stored_key
from support.posted_jobs import RESULT, ended

from stt_gateway.core.requests.api_key import WrittenKey
from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.core.requests.usage import Usage
from stt_gateway.keys import accounts, usage
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url
from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_gateway.store.usage import UsageStore
from stt_shared.contracts.jobs import JobStatus
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

pytestmark = pytest.mark.contract

USER = (Scope.STREAM, Scope.JOBS, Scope.READ)
SECOND = b"\0\0" * 16_000


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is used is charged and recorded at once."""
    monkeypatch.setattr(usage, "RECORD_EVERY_S", 0.1)
    monkeypatch.setattr(accounts, "CHARGE_EVERY_MS", 0.0)
    monkeypatch.setattr(accounts, "SETTLE_AFTER_S", (0.0, 0.5))


def client_of(gateway: Gateway, key: WrittenKey) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {key.text}"}
    return httpx2.AsyncClient(base_url=gateway.url + "/v1/stt", headers=headers, trust_env=False, timeout=30)


async def days(http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = await http.get("/usage")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["usage"]
    return found


async def counted(http: httpx2.AsyncClient, name: str, value: float) -> None:
    """Waits until the usage says so."""

    async def is_counted() -> bool:
        return any(abs(day[name] - value) < 0.01 for day in await days(http))

    try:
        await until(is_counted, 30)
    except TimeoutError:
        pytest.fail(f"{name} is not {value}: {await days(http)}")


async def test_a_session_is_charged_once_for_its_audio_and_for_the_speech_in_it(
    keyed_gateway: Gateway, key_store: KeyStore, workers: Workers
) -> None:
    key = await stored_key(key_store, *USER)
    async with line(keyed_gateway.stream(), additional_headers={"X-API-Key": key.text}) as client:
        await client.hear("ready")
        await client.send(SECOND, SECOND, '{"type":"finalize"}')
        await client.hear("final")
        await client.send(SECOND, STOP)
        assert await client.rest() == 1000
    async with client_of(keyed_gateway, key) as http:
        await counted(http, "audio_seconds", 3.0)
        (day,) = await days(http)
        assert (day["key_id"], day["key_name"], day["streams"]) == (key.id, "a key", 1)
        # The stand-in's final is one millisecond long.
        assert (day["speech_seconds"], day["silence_seconds"]) == (0.001, 2.999)
        assert day["requests"] >= 1
        await asyncio.sleep(0.7)
        assert abs((await days(http))[0]["audio_seconds"] - 3.0) < 0.01


async def test_whoever_leaves_at_once_pays_all_the_same(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    key = await stored_key(key_store, *USER)
    for _ in range(3):
        async with line(keyed_gateway.stream(), additional_headers={"X-API-Key": key.text}) as client:
            await client.hear("ready")
            await client.send(*[SECOND] * 5)
            while (await client.hear("ack"))["received_seq"] < 5:
                pass
    async with client_of(keyed_gateway, key) as http:
        await counted(http, "audio_seconds", 15.0)


async def test_a_stream_without_audio_left_is_told_and_keeps_what_was_said(
    keyed_gateway: Gateway, key_store: KeyStore
) -> None:
    key = await stored_key(key_store, *USER, quotas=Quotas(audio_seconds_per_day=2))
    async with line(keyed_gateway.stream(), additional_headers={"X-API-Key": key.text}) as client:
        await client.hear("ready")
        await client.send(SECOND, SECOND, '{"type":"finalize"}')
        warning = await client.hear("warning", 30)
        assert warning["code"] == "quota_exceeded"
        assert await client.rest(30) == 1000
        assert client.of("final")
        assert client.kinds[-1] == "done"
    async with line(keyed_gateway.stream(), additional_headers={"X-API-Key": key.text}) as refused:
        error = await refused.hear("error")
        assert (error["code"], error["retryable"], await refused.rest()) == ("quota_exceeded", False, 4512)
        assert 0 < error["retry_after_s"] <= 24 * 3600
    async with client_of(keyed_gateway, key) as http:
        posted = await http.post("/jobs", files={"file": ("a.mp3", b"ID3")})
        assert (posted.status_code, posted.json()["error"]["code"]) == (429, "quota_exceeded")
        assert 0 < int(posted.headers["retry-after"]) <= 24 * 3600


async def test_files_are_charged_when_they_are_done_and_bytes_when_they_come(
    keyed_gateway: Gateway, key_store: KeyStore
) -> None:
    key = await stored_key(key_store, *USER, Scope.DELETE, quotas=Quotas(upload_bytes_per_day=1500))
    async with client_of(keyed_gateway, key) as http:
        job_id = (await http.post("/jobs", files={"file": ("a.mp3", b"x" * 1000)})).json()["job_id"]
        refused = await http.post("/jobs", files={"file": ("b.mp3", b"y" * 1000)})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "quota_exceeded")
        assert len(keyed_gateway.spooled) == 1
        await ended(keyed_gateway, job_id, JobStatus.COMPLETED, result=msgspec.json.encode(RESULT))
        await counted(http, "audio_seconds", RESULT.duration)
        (day,) = await days(http)
        assert (day["files"], day["upload_bytes"]) == (1, 1000)
        assert day["speech_seconds"] == sum(segment.end - segment.start for segment in RESULT.segments)


async def test_what_is_counted_again_after_redis_lost_it_is_added(
    keyed_gateway: Gateway, key_store: KeyStore, redis_client: Redis
) -> None:
    key = await stored_key(key_store, *USER)
    async with client_of(keyed_gateway, key) as http:

        async def files() -> int:
            found = await days(http)
            return found[0]["files"] if found else 0

        for expected in (1, 2):
            await http.post("/jobs", files={"file": ("a.mp3", b"ID3")})
            await until(lambda expected=expected: _equal(files, expected), 30)
            await redis_client.delete(keys.counted_on_day(key.id, usage.day_of(wall_ms())))


async def _equal(read: Any, expected: int) -> bool:
    return bool(await read() == expected)


async def test_admins_see_their_tenant_and_others_their_own_key(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    ann, ben = await stored_key(key_store, *USER), await stored_key(key_store, Scope.READ_OWN)
    admin, stranger = await stored_key(key_store, Scope.ADMIN), await stored_key(key_store, *Scope, tenant="other")
    all_keys = (ann, ben, admin, stranger)
    for key in all_keys:
        async with client_of(keyed_gateway, key) as http:
            await until(lambda http=http: days(http), 30)

    async def seen(key: WrittenKey) -> set[str]:
        async with client_of(keyed_gateway, key) as http:
            return {day["key_id"] for day in await days(http)}

    assert [await seen(key) for key in all_keys] == [{ann.id}, {ben.id}, {ann.id, ben.id, admin.id}, {stranger.id}]


@pytest.mark.parametrize("query", ["from=tomorrow", "from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01"])
async def test_days_that_are_none_are_refused(keyed_gateway: Gateway, key_store: KeyStore, query: str) -> None:
    async with client_of(keyed_gateway, await stored_key(key_store, *USER)) as http:
        answer = await http.get(f"/usage?{query}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_config")


async def test_nothing_is_recorded_of_keys_that_are_deleted_or_whose_tenant_is(
    key_store: KeyStore, tmp_path: Path
) -> None:
    url = database_url(None, tmp_path / "spool-data")
    key = await stored_key(key_store, Scope.STREAM)
    stored, deletions = UsageStore(url), TenantDeletions(url)
    await stored.record([(Usage(id, "2026-11-30", "", requests=1), "e1") for id in (key.id, "k" * 12)])
    assert await deletions.begin("acme", wall_ms()) == [key.id]
    await stored.record([(Usage(key.id, "2026-12-01", "", requests=1), "e1")])
    await stored.close()
    await deletions.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "spool-data" / "transcripts.db")) as database:
        assert database.execute("SELECT key_id, day FROM key_usage").fetchall() == [(key.id, "2026-11-30")]
