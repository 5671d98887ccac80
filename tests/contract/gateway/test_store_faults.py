"""The transcript store with other writers, and with a database that is locked, full, damaged or gone."""

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, event
from support.store_samples import FULL, NOW_MS, about_postgresql, about_sqlite, ids, transcript

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store import engine as store_engine
from stt_gateway.store.engine import database_url, is_sqlite
from stt_gateway.store.failures import StoreError
from stt_gateway.store.interface import Search
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)

_WRITER = """
import asyncio, sys
from pathlib import Path
from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store.engine import database_url
from stt_gateway.store.interface import Kind, State, Transcript
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore

async def main():
    url = database_url(sys.argv[1], Path())
    await migrate(url)
    store = SqlTranscriptStore(url, LOCAL.reach)
    for turn in range(int(sys.argv[2])):
        words = f"turn {turn} of {sys.argv[3]}"
        one = Transcript(id="job1", kind=Kind.JOB, state=State.COMPLETED, created_ms=1_800_000_001_000,
                         filename="a.wav", text=words)
        assert await store.put(one)
    await store.close()

asyncio.run(main())
"""


def writers(url: URL, turns: int, count: int) -> None:
    address = url.render_as_string(hide_password=False)
    running = [
        subprocess.Popen([sys.executable, "-c", _WRITER, address, str(turns), f"writer{number}"])
        for number in range(count)
    ]
    try:
        assert [process.wait(100) for process in running] == [0] * count
    finally:
        for process in running:
            process.kill()


async def test_two_processes_write_one_transcript(store: SqlTranscriptStore, url: URL) -> None:
    await asyncio.to_thread(writers, url, 100, 2)
    kept = await store.get("job1")
    assert kept is not None
    assert ids(await store.search(Search(query=kept.text))) == ["job1"]
    # Of what was there before, the index knows nothing more.
    assert ids(await store.search(Search(query="turn 98"))) == []
    assert ids(await store.search(Search())) == ["job1"]


async def test_gateways_may_start_at_once(empty: URL) -> None:
    await asyncio.to_thread(writers, empty, 1, 4)
    store = SqlTranscriptStore(empty, LOCAL.reach)
    assert ids(await store.search(Search(query="turn 0"))) == ["job1"]
    await store.close()


async def test_a_start_on_tables_that_are_there_keeps_them(url: URL, store: SqlTranscriptStore) -> None:
    await store.put(FULL)
    await migrate(url)
    assert ids(await store.search(Search(query="guten"))) == ["job1"]


async def test_tables_of_a_later_version_are_left_alone(url: URL) -> None:
    later = "UPDATE alembic_version SET version_num = '9999'"
    if is_sqlite(url):
        with sqlite3.connect(url.database or "") as connection:
            connection.execute(later)
    else:
        with psycopg.connect(url.render_as_string(hide_password=False)) as server:
            server.execute(later)
    with pytest.raises(StoreError, match="9999"):
        await migrate(url)


async def test_a_write_is_done_whole_or_not_at_all(store: SqlTranscriptStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(store._index, "rows", broken)
    with pytest.raises(RuntimeError):
        await store.put(FULL)
    monkeypatch.undo()
    assert await store.get("job1") is None
    assert await store.put(FULL)


async def test_a_locked_database_is_told(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "LOCK_WAIT_S", 0.3)
    store = SqlTranscriptStore(url, LOCAL.reach)
    await store.put(transcript(1))
    if is_sqlite(url):
        locker = sqlite3.connect(url.database or "", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
    else:
        locker = psycopg.connect(url.render_as_string(hide_password=False))
        locker.execute("LOCK TABLE transcripts IN EXCLUSIVE MODE")
    try:
        with pytest.raises(SttError, match="locked") as caught:
            await store.put(transcript(2))
        assert caught.value.code == "unavailable"
        # Readers go on.
        assert ids(await store.search(Search(query="number"))) == ["job1"]
    finally:
        locker.rollback()
        locker.close()
    assert await store.put(transcript(2))
    await store.close()


@about_sqlite
async def test_writers_of_one_store_take_turns(url: URL, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite makes waiting writers try again by chance: on a busy machine one of four failed as "locked"."""
    monkeypatch.setattr(store_engine, "LOCK_WAIT_S", 0.0)
    store = SqlTranscriptStore(url, LOCAL.reach)
    try:
        assert all(await asyncio.gather(*(store.put(transcript(number)) for number in range(8))))
    finally:
        await store.close()


@about_sqlite
async def test_a_full_disk_is_told_and_nothing_is_half_written(store: SqlTranscriptStore, sqlite_path: Path) -> None:
    def small(connection: object, _: object) -> None:
        connection.cursor().execute("PRAGMA max_page_count = 60")  # type: ignore[attr-defined]

    event.listen(store._engine.sync_engine, "connect", small)
    with pytest.raises(SttError, match="disk space") as caught:
        await store.put(transcript(1, text=" ".join(f"w{number}" for number in range(50_000))))
    assert caught.value.code == "unavailable"
    assert await store.get("job1") is None
    assert ids(await store.search(Search(query="w7"))) == []
    assert await store.put(transcript(2))


@about_sqlite
async def test_a_file_that_is_gone_is_told(store: SqlTranscriptStore, sqlite_path: Path) -> None:
    await store.put(transcript(1))
    await store.purge_expired(NOW_MS)
    away = sqlite_path.rename(sqlite_path.with_name("elsewhere.db"))
    for _ in range(2):
        with pytest.raises(SttError, match="gone") as caught:
            await store.put(transcript(2))
        assert caught.value.code == "unavailable"
        with pytest.raises(SttError, match="gone"):
            await store.check()
    assert not sqlite_path.exists()
    # An empty file in its place is no store either.
    sqlite_path.touch()
    with pytest.raises(SttError, match="gone"):
        await store.search(Search())
    for left in sqlite_path.parent.glob(sqlite_path.name + "*"):
        left.unlink()
    away.rename(sqlite_path)
    assert ids(await store.search(Search())) == ["job1"]


@about_sqlite
async def test_a_damaged_file_is_told(store: SqlTranscriptStore, sqlite_path: Path) -> None:
    sqlite_path.write_bytes(b"no database " * 1000)
    with pytest.raises(SttError, match="damaged") as caught:
        await store.search(Search())
    assert caught.value.code == "unavailable"


@about_sqlite
async def test_only_the_owner_may_read_the_file(store: SqlTranscriptStore, sqlite_path: Path) -> None:
    await store.put(FULL)
    assert {oct(file.stat().st_mode)[-3:] for file in sqlite_path.parent.iterdir()} == {"600"}


async def test_a_server_that_does_not_answer_is_told(tmp_path: Path) -> None:
    url = database_url(f"postgres://stt@/stt?host={tmp_path}", tmp_path)
    store = SqlTranscriptStore(url, LOCAL.reach)
    with pytest.raises(SttError, match="does not answer") as caught:
        await store.search(Search())
    assert caught.value.code == "unavailable"
    await store.close()


async def test_a_pooler_is_sent_no_parameter_that_it_refuses(tmp_path: Path) -> None:
    """PgBouncer refuses the start-up parameter `options`."""
    started: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while length := int.from_bytes(await reader.read(4)):
            packet = await reader.readexactly(length - 4)
            if packet == int.to_bytes(80_877_103, 4):  # asks for TLS
                writer.write(b"N")
                continue
            started.append(packet)
            break
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = SqlTranscriptStore(database_url(f"postgresql://stt@127.0.0.1:{port}/stt", tmp_path), LOCAL.reach)
        with pytest.raises(SttError, match="does not answer"):
            await store.search(Search())
        await store.close()
    assert started
    assert all(b"user\0stt" in packet and b"options" not in packet for packet in started)


@about_postgresql
async def test_each_transaction_has_its_time_limits(store: SqlTranscriptStore) -> None:
    for engine in (store._engine, store_engine.writing(store._engine)):
        for _ in range(2):
            async with engine.begin() as connection:
                names = ("statement_timeout", "lock_timeout")
                limits = [(await connection.exec_driver_sql(f"SHOW {name}")).scalar() for name in names]
                assert limits == ["15s", "5s"]


@about_postgresql
async def test_lost_connections_are_opened_again(store: SqlTranscriptStore, url: URL, postgres_url: str) -> None:
    await store.put(transcript(1))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        others = "FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        connection.execute(f"SELECT pg_terminate_backend(pid) {others}", (url.database,))
    assert ids(await store.search(Search())) == ["job1"]


@pytest.mark.parametrize(
    "given", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense", "postgresql://u:secret@h:port/x"]
)
def test_a_bad_url_is_refused_without_its_password(given: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL") as caught:
        database_url(given, tmp_path)
    assert "secret" not in str(caught.value)
