"""Deletion of tenants in the database, on both kinds."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import URL, func, select
from support.key_samples import made_key
from support.store_samples import NOW_MS, transcript, utterance

from stt_gateway.core.requests.principal import Reach, Scope
from stt_gateway.store import tenant_deletions
from stt_gateway.store.api_keys import KeyStore
from stt_gateway.store.engine import open_engine, read_transaction
from stt_gateway.store.interface import Search
from stt_gateway.store.schema import metadata
from stt_gateway.store.sql_store import REMEMBERED_MS, SqlTranscriptStore
from stt_gateway.store.tenant_deletions import TenantDeletions
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


@pytest.fixture
async def deletions(url: URL) -> AsyncIterator[TenantDeletions]:
    opened = TenantDeletions(url)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def keys(url: URL) -> AsyncIterator[KeyStore]:
    opened = KeyStore(url)
    try:
        yield opened
    finally:
        await opened.close()


async def rows_of(url: URL, tenant: str) -> dict[str, int]:
    """Number of rows in each table that has some."""
    engine = open_engine(url, pool_size=1)
    found: dict[str, int] = {}
    async with read_transaction(engine) as connection:
        for table in metadata.sorted_tables:
            if "tenant" in table.c:
                query = select(func.count()).select_from(table).where(table.c.tenant == tenant)
                found[table.name] = await connection.scalar(query) or 0
    await engine.dispose()
    return {name: count for name, count in found.items() if count}


async def filled(store: SqlTranscriptStore, tenant: str, many: int) -> None:
    theirs = store.of(Reach(tenant, "k1"))
    for number in range(many):
        await theirs.put(transcript(number, id=f"{tenant}-{number}", text=f"word{tenant} {number}"))
        said = [utterance(1, f"{tenant}-s{number}", f"{tenant}-c{number}")]
        await theirs.append(said)
    await theirs.delete(f"{tenant}-0", NOW_MS)


async def test_all_rows_go_in_batches_and_those_of_others_stay(
    url: URL, store: SqlTranscriptStore, keys: KeyStore, deletions: TenantDeletions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_deletions, "_AT_ONCE", 2)
    for tenant in ("acme", "other"):
        await filled(store, tenant, 5)
        await keys.add(made_key(Scope.READ, tenant=tenant)[1])
    before = await rows_of(url, "other")
    assert await deletions.conversations_of("acme") == [f"acme-c{number}" for number in range(5)]
    ids = await deletions.begin("acme", NOW_MS)
    assert ids is not None
    assert [key.id for key in await keys.all_of("acme") if key.revoked_ms is not None] == ids
    assert await deletions.delete_rows("acme") > 10
    assert await deletions.delete_rows("acme") == 0
    assert await rows_of(url, "acme") == {"deleted": 2}
    assert await rows_of(url, "other") == before
    found = await store.of(Reach("other")).search(Search(query="wordother"))
    assert len(found.found) == 4
    assert (await store.of(Reach("acme")).search(Search(query="wordacme"))).found == []


async def test_what_has_begun_is_known_until_it_is_finished(
    store: SqlTranscriptStore, keys: KeyStore, deletions: TenantDeletions
) -> None:
    assert await deletions.begin("nobody", NOW_MS) is None
    await keys.add(made_key(Scope.READ)[1])
    assert await deletions.left() == {}
    assert await deletions.begin("acme", NOW_MS) is not None
    assert await deletions.begin("acme", NOW_MS + 5) is not None
    assert await deletions.left() == {"acme": NOW_MS + 5}
    week_later = NOW_MS + REMEMBERED_MS + 6
    # Not even a week of outage makes a gateway forget what is left to do.
    await store.purge_expired(week_later)
    assert list(await deletions.left()) == ["acme"]
    await deletions.finish("acme")
    assert await deletions.left() == {}


async def test_a_name_is_free_again_when_nothing_can_come_late(
    store: SqlTranscriptStore, keys: KeyStore, deletions: TenantDeletions
) -> None:
    await keys.add(made_key(Scope.READ)[1])
    await deletions.begin("acme", NOW_MS)
    await deletions.delete_rows("acme")
    for _ in range(2):
        with pytest.raises(SttError, match="was deleted"):
            await keys.add(made_key(Scope.READ)[1])
        await deletions.finish("acme")
    await keys.add(made_key(Scope.READ, tenant="other")[1])
    await store.purge_expired(NOW_MS + REMEMBERED_MS + 1)
    await keys.add(made_key(Scope.READ)[1])
