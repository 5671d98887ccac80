"""A gateway whose database cannot be used says so in one line, and ends."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL
from support.failed_start import failed_start

from stt_gateway.store.engine import database_url
from stt_gateway.store.failures import StoreError
from stt_gateway.store.migrating import migrate

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

USER = "postgresql://weak:s3cret@"


async def started(redis_url: str, folder: Path, url: str) -> str:
    """The line of a gateway that cannot start with ``url`` as DATABASE_URL."""
    code, said = await failed_start(
        *("-m", "stt_gateway"),
        REDIS_URL=redis_url,
        SPOOL_DIR=str(folder / "spool"),
        DATA_DIR=str(folder),
        DATABASE_URL=url,
        PORT="0",
    )
    (line,) = said.splitlines()
    assert code == 1
    return line


async def test_a_start_without_a_usable_database_is_one_line(redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"this is no database" * 100)
    junk, away = await asyncio.gather(
        started(redis_url, tmp_path, f"sqlite:///{tmp_path}/junk.db"),
        started(redis_url, tmp_path, f"{USER}127.0.0.1:1/stt"),
    )
    assert junk == (
        f"error: cannot use the database sqlite:///{tmp_path}/junk.db: file is not a database;"
        " check DATABASE_URL or DATA_DIR"
    )
    assert away.startswith("error: cannot use the database postgresql://weak:***@127.0.0.1:1/stt: ")
    assert "Connection refused" in away
    assert "s3cret" not in away


async def why_not(url: URL) -> str:
    with pytest.raises(StoreError) as caught:
        await migrate(url)
    line = str(caught.value)
    assert "\n" not in line
    assert "s3cret" not in line
    return line


async def test_a_file_that_sqlite_cannot_use_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path, cause in (
        ("file/store.db", f"{tmp_path}/file: "),
        ("folder", f"{tmp_path}/folder: Is a directory"),
    ):
        assert cause in await why_not(database_url(f"sqlite:///{tmp_path}/{path}", tmp_path))


async def test_what_a_server_refuses_is_named(postgres_url: str, tmp_path: Path) -> None:
    place = postgres_url.partition("?")[2]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE ROLE weak LOGIN")
    for url, cause in (
        (f"{USER}/missing?{place}", 'database "missing" does not exist'),
        (f"{USER}/postgres?{place}&nosuch=1", 'invalid connection option "nosuch"'),
        (f"{USER}/postgres?{place}", "no schema has been selected to create in"),
        (f"postgresql://nobody9:s3cret@/postgres?{place}", 'role "nobody9" does not exist'),
    ):
        assert cause in await why_not(database_url(url, tmp_path))
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("GRANT USAGE ON SCHEMA public TO weak")
    without_create = database_url(f"{USER}/postgres?{place}", tmp_path)
    assert "permission denied for schema public" in await why_not(without_create)
