"""Retention of tenants: what is stored expires by it, whether it was stored before or after it was set."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import URL, func, select
from support.gateway_harness import Gateway, until
from support.key_samples import stored_key
from support.keyed_gateway import bearer
from support.store_samples import NOW_MS, transcript, utterance

from stt_gateway.core.requests.principal import LOCAL, Reach, Scope
from stt_gateway.store import retention, writer
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import database_url, open_engine, read_transaction
from stt_gateway.store.retention import DAY_MS, Retentions
from stt_gateway.store.schema import metadata
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.conversation import SpeakersTold, UnrecognizedSpeech
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.process.clock import wall_ms

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

EXPIRING = ("transcripts", "unrecognized", "utterance_speakers", "utterances")
SERVER_DAYS = 30.0


@pytest.fixture
async def retentions(url: URL, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Retentions]:
    monkeypatch.setattr(retention, "wall_ms", lambda: NOW_MS)
    opened = Retentions(url)
    try:
        yield opened
    finally:
        await opened.close()


async def fill(store: SqlTranscriptStore, tenant: str, name: str, age_days: float = 0.0) -> None:
    """What a session of that age has left on a server with SERVER_DAYS."""
    part, at_ms = store.of(Reach(tenant)), NOW_MS - round(age_days * DAY_MS)
    expires_ms = round(at_ms + SERVER_DAYS * DAY_MS)
    session = f"{tenant}-{name}"
    assert await part.put(transcript(1, id=session, created_ms=at_ms, expires_ms=expires_ms))
    await part.append([utterance(1, session, f"{tenant}-{name}", spoken_ms=at_ms, expires_ms=expires_ms)])
    about: dict[str, Any] = {"conversation_id": None, "session_id": name, "instance": "i"}
    missed = UnrecognizedSpeech(**about, spoken_ms=at_ms, start_ms=0, end_ms=900)
    await part.append_unrecognized(session, missed, expires_ms)
    told = SpeakersTold(**about, told_ms=at_ms, as_of=1, utterances=[RevisedUtterance(1, "Speaker 1")], store=True)
    await part.append_speakers(session, told, expires_ms)


async def left(url: URL, tenant: str) -> dict[str, int]:
    engine = open_engine(url, pool_size=1)
    found: dict[str, int] = {}
    async with read_transaction(engine) as connection:
        for table in (metadata.tables[name] for name in EXPIRING):
            query = select(func.count()).select_from(table).where(table.c.tenant == tenant)
            found[table.name] = await connection.scalar(query) or 0
    await engine.dispose()
    return {name: count for name, count in found.items() if count}


def all_of(count: int) -> dict[str, int]:
    return dict.fromkeys(EXPIRING, count)


async def test_each_tenant_keeps_what_it_has_for_its_own_time(
    url: URL, store: SqlTranscriptStore, retentions: Retentions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    tenants = ("brief", "long", "ever", LOCAL_TENANT)
    for tenant in tenants:
        for number in range(3):
            await fill(store, tenant, f"old{number}", age_days=10 + number)
    for tenant, days in (("brief", 5.0), ("long", 90.0), ("ever", 0.0)):
        assert await retentions.set(tenant, days)
    await retentions.apply(SERVER_DAYS)
    for tenant in tenants:
        await fill(store, tenant, "new")
    assert await store.purge_expired(NOW_MS) == 3
    assert (await left(url, "brief"), await left(url, LOCAL_TENANT)) == (all_of(1), all_of(4))
    assert await store.purge_expired(NOW_MS + 6 * DAY_MS) == 1
    assert await left(url, "brief") == {}
    assert await store.purge_expired(NOW_MS + 31 * DAY_MS) == 4
    assert (await left(url, LOCAL_TENANT), await left(url, "long")) == ({}, all_of(4))
    assert await store.purge_expired(NOW_MS + 91 * DAY_MS) == 4
    assert (await left(url, "long"), await left(url, "ever")) == ({}, all_of(4))


async def test_a_tenant_without_one_any_more_has_that_of_the_server(
    url: URL, store: SqlTranscriptStore, retentions: Retentions
) -> None:
    await fill(store, "acme", "talk")
    for days in (0.0, None):
        assert await retentions.set("acme", days)
        await retentions.apply(SERVER_DAYS)
    assert [(one.tenant, one.days) for one in await retentions.all()] == [("acme", None), (LOCAL_TENANT, None)]
    assert await store.purge_expired(NOW_MS + 29 * DAY_MS) == 0
    assert await store.purge_expired(NOW_MS + 31 * DAY_MS) == 1
    assert await left(url, "acme") == {}
    assert not await retentions.set("nobody", 5.0)


@pytest.fixture
def swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the gateway starts."""
    monkeypatch.setattr(writer, "PURGE_EVERY_S", 0.1)


async def test_what_is_older_goes_within_the_next_sweep(
    swept_often: None, keyed_gateway: Gateway, key_store: KeyStore, tmp_path: Path
) -> None:
    store = SqlTranscriptStore(database_url(None, tmp_path / "spool-data"), LOCAL.reach)
    try:
        for id, age_days in (("old", 9), ("young", 1)):
            made = transcript(1, id=id, created_ms=int(wall_ms()) - age_days * DAY_MS)
            assert await store.of(Reach("acme")).put(made)
    finally:
        await store.close()
    admin = bearer(await stored_key(key_store, *Scope))
    async with httpx2.AsyncClient(base_url=keyed_gateway.url + "/v1/stt", headers=admin, trust_env=False) as http:

        async def ids() -> list[str]:
            return [one["id"] for one in (await http.get("/transcripts")).json()["transcripts"]]

        await asyncio.sleep(0.3)
        assert await ids() == ["young", "old"]
        await http.patch("/tenants/acme", json={"retention_days": 7})
        await until(lambda: _equal(ids, ["young"]))


async def _equal(read: Callable[[], Awaitable[list[str]]], expected: list[str]) -> bool:
    return await read() == expected


async def test_an_admin_sets_that_of_its_own_tenant(keyed_gateway: Gateway, key_store: KeyStore) -> None:
    admin, stranger = await stored_key(key_store, *Scope), await stored_key(key_store, *Scope, tenant="other")
    async with httpx2.AsyncClient(base_url=keyed_gateway.url + "/v1/stt", trust_env=False) as http:
        http.headers.update(bearer(admin))
        before = (await http.get("/tenants")).json()
        assert before == {"tenants": [{"name": "acme", "retention_days": None, "server_retention_days": 0.0}]}
        changed = await http.patch("/tenants/acme", json={"retention_days": 7})
        assert (changed.status_code, changed.json()["retention_days"]) == (200, 7.0)
        assert (await http.get("/tenants/acme")).json() == changed.json()
        for body in ({"retention_days": 0.5}, {"retention_days": -1}, {"retention_days": "x"}, {}, {"days": 1}):
            refused = await http.patch("/tenants/acme", json=body)
            assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_config"), body
        http.headers.update(bearer(stranger))
        for request in (http.get("/tenants/acme"), http.patch("/tenants/acme", json={"retention_days": 1})):
            refused = await request
            assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
