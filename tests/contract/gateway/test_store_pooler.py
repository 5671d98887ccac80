"""The transcript store behind PgBouncer."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL
from support.pgbouncer import pgbouncer, pgbouncer_binary
from support.store_samples import ids, transcript, utterance

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store.engine import database_url
from stt_gateway.store.failures import StoreError
from stt_gateway.store.interface import Search
from stt_gateway.store.maintenance.backup import backup
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


@pytest.fixture
def pooled(request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path) -> Iterator[URL]:
    """An empty database behind a pooler of this mode."""
    binary = pgbouncer_binary()
    if binary is None:
        pytest.skip("no PgBouncer: install Debian's package pgbouncer")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with pgbouncer(binary, postgres_url, request.param) as url:
        yield database_url(url, tmp_path)


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
async def test_gateways_share_a_poolers_connection(pooled: URL) -> None:
    await asyncio.gather(*(migrate(pooled) for _ in range(3)))
    stores = [SqlTranscriptStore(pooled, LOCAL.reach) for _ in range(3)]
    try:
        for round in range(4):
            await asyncio.gather(
                *(store.put(transcript(10 * round + at, text=f"word{round}{at}")) for at, store in enumerate(stores)),
                *(store.append([utterance(round, session=f"s{at}")]) for at, store in enumerate(stores)),
            )
            pages = await asyncio.gather(*(store.search(Search(query=f"word{round}1")) for store in stores))
            assert [ids(page) for page in pages] == [[f"job{10 * round + 1}"]] * 3
        assert len(await stores[0].conversation("c")) == 12
        assert await stores[1].purge_expired(0) == 0
    finally:
        for store in stores:
            await store.close()


@pytest.mark.parametrize("pooled", ["statement"], indirect=True)
async def test_a_pooler_of_single_statements_is_refused(pooled: URL) -> None:
    with pytest.raises(StoreError, match=r"^cannot use the database .*: transaction blocks not allowed in statement"):
        await migrate(pooled)


@pytest.mark.parametrize("pooled", ["transaction"], indirect=True)
async def test_a_backup_through_a_pooler_is_refused(pooled: URL, tmp_path: Path) -> None:
    await migrate(pooled)
    with pytest.raises(StoreError, match="leads to a pooler"):
        await asyncio.to_thread(backup, pooled, tmp_path / "b")
