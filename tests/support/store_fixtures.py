"""Fixtures of the transcript store's tests: a store on each database; named as plugin, not imported."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy import URL

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store.engine import database_url
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.writer import StoreWriter
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams import keys
from support.postgres_server import postgres_binaries, postgres_server
from support.wiring import bus_on


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server: set POSTGRES_BIN, or install Debian's package postgresql")
    with postgres_server(binaries) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database."""
    if request.param == "sqlite":
        # Characters that mean something in a URL or to SQLite.
        return database_url(None, tmp_path / "a 100%#?b")
    server: str = request.getfixturevalue("postgres_url")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return database_url(server, tmp_path)


@pytest.fixture
async def url(empty: URL) -> URL:
    await migrate(empty)
    return empty


@pytest.fixture
async def store(url: URL) -> AsyncIterator[SqlTranscriptStore]:
    opened = SqlTranscriptStore(url, LOCAL.reach)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def writing(redis_client: Redis, store: SqlTranscriptStore) -> AsyncIterator[None]:
    """A gateway stores what waits for the store."""
    await redis_client.set(keys.replica_alive("g1"), 1)
    task = asyncio.create_task(StoreWriter(bus_on(redis_client), store, "g1", 0).run())
    yield
    await cancel_and_wait(task)


@pytest.fixture
def sqlite_path(url: URL) -> Path:
    """The file, for tests that are ``about_sqlite``."""
    return Path(url.database or "")
