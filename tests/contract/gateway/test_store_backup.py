"""Backups of the transcript store, made while it is written, and restored, on both databases."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, text
from support.gateway_harness import until
from support.old_store import store_of_0_1_0
from support.store_samples import FULL, about_postgresql, about_sqlite, ids, transcript, utterance

from stt_gateway.core.requests.principal import LOCAL
from stt_gateway.store import engine
from stt_gateway.store.failures import StoreError
from stt_gateway.store.interface import Search
from stt_gateway.store.maintenance import sqlite_files
from stt_gateway.store.maintenance.backup import backup, restore
from stt_gateway.store.maintenance.check import check
from stt_gateway.store.maintenance.contents import version_of
from stt_gateway.store.maintenance.progress import no_progress
from stt_gateway.store.maintenance.reindexing import reindex
from stt_gateway.store.migrating import migrate
from stt_gateway.store.sql_store import SqlTranscriptStore
from stt_gateway.store.versions import newest_version
from stt_shared.contracts.findings import report
from stt_shared.process.tasks import cancel_and_wait

pytestmark = pytest.mark.contract
pytest_plugins = ("support.store_fixtures",)


async def back_up(url: URL, file: Path) -> Path:
    await asyncio.to_thread(backup, url, file)
    return file


async def put_back(url: URL, file: Path, *, replace: bool = False) -> None:
    await asyncio.to_thread(restore, url, file, replace=replace)


async def why_not(url: URL, file: Path, *, replace: bool = False) -> str:
    with pytest.raises(StoreError) as caught:
        await put_back(url, file, replace=replace)
    return str(caught.value)


async def execute(url: URL, *statements: str) -> None:
    opened = engine.open_engine(url)
    async with engine.writing(opened).begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    await opened.dispose()


def emptied(url: URL, folder: Path) -> URL:
    """An empty database of the same kind."""
    if engine.is_sqlite(url):
        return engine.database_url(None, folder / "other")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return url


@asynccontextmanager
async def opened(url: URL) -> AsyncIterator[SqlTranscriptStore]:
    store = SqlTranscriptStore(url, LOCAL.reach)
    try:
        yield store
    finally:
        await store.close()


async def test_a_backup_made_while_others_write_has_all_that_was_stored_before(
    url: URL, store: SqlTranscriptStore, tmp_path: Path
) -> None:
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while True:
            await store.put(transcript(written + 1, text=f"word{written + 1} and more " * 100))
            await store.append([utterance(written + 1)])
            written += 1

    writing = asyncio.create_task(keep_writing())
    try:
        await until(lambda: written >= 20)
        before = written
        file = await back_up(url, tmp_path / "b.stt")
        after = written
    finally:
        await cancel_and_wait(writing)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("b.stt")] == ["b.stt"]
    restored = emptied(url, tmp_path)
    await put_back(restored, file)
    async with opened(restored) as copy:
        count = await copy.count()
        assert before <= count <= after + 1
        for number in range(1, before + 1):
            assert ids(await copy.search(Search(query=f"word{number}"))) == [f"job{number}"]
        assert len(await copy.conversation("c")) in (count, count - 1)
        assert await copy.put(FULL)
    assert report(await asyncio.to_thread(check, restored)).ok


@about_sqlite
async def test_a_backup_ends_although_somebody_writes_at_each_of_its_steps(
    url: URL, store: SqlTranscriptStore, sqlite_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "_PAGES_AT_ONCE", 10)
    for number in range(10):
        await store.put(transcript(number, text="words " * 1000))
    steps = 0

    def write(what: str, _done: int, pages: int) -> None:
        nonlocal steps
        if what == "copying":
            steps += 1
            assert steps <= pages // 10 + 2
            with closing(sqlite3.connect(sqlite_path)) as other, other:
                other.execute("UPDATE transcripts SET title = title || '.'")

    await asyncio.to_thread(backup, url, tmp_path / "b", write)
    assert steps > 2
    with closing(sqlite3.connect(tmp_path / "b")) as copy:
        assert {title for (title,) in copy.execute("SELECT title FROM transcripts")} == {
            f"file{number}.wav" for number in range(10)
        }


async def test_only_an_empty_store_is_written_unless_told(url: URL, store: SqlTranscriptStore, tmp_path: Path) -> None:
    await store.put(transcript(1))
    file = await back_up(url, tmp_path / "b.stt")
    with pytest.raises(StoreError, match="exists already"):
        await back_up(url, file)
    await store.put(transcript(2))
    assert "not empty; --replace" in await why_not(url, file)
    assert await store.count() == 2
    await put_back(url, file, replace=True)
    # The same open store, as in a gateway that runs on.
    assert ids(await store.search(Search())) == ["job1"]
    await store.put(transcript(3, text="later"))
    assert ids(await store.search(Search(query="later"))) == ["job3"]


async def test_a_backup_of_a_later_version_is_refused_and_one_of_an_earlier_is_migrated(
    url: URL, store: SqlTranscriptStore, tmp_path: Path
) -> None:
    await store.put(transcript(1))
    await execute(url, "UPDATE alembic_version SET version_num = '9999'")
    later = await back_up(url, tmp_path / "later")
    old = emptied(url, tmp_path)
    store_of_0_1_0(old)
    earlier = await back_up(old, tmp_path / "earlier")
    restored = emptied(url, tmp_path / "restored")
    for is_replaced in (False, True):
        said = await why_not(restored, later, replace=is_replaced)
        assert "by a later version of the suite: its tables are version 9999, and this one knows those up to" in said
    await put_back(restored, earlier)
    assert await version_of(restored) == newest_version()
    async with opened(restored) as copy:
        assert len(ids(await copy.search(Search()))) == 3
    # A store of a later version gives way, too.
    await execute(restored, "UPDATE alembic_version SET version_num = '9999'")
    await put_back(restored, earlier, replace=True)
    assert await version_of(restored) == newest_version()


async def test_what_is_no_backup_is_refused(url: URL, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("Dear diary")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE diary (day)")
    assert await why_not(url, tmp_path / "absent") == f"{tmp_path}/absent cannot be read: No such file or directory"
    assert await why_not(url, tmp_path / "text") == f"{tmp_path}/text is not a backup of a transcript store"
    said = await why_not(url, tmp_path / "other.db")
    assert ("is not a backup" if engine.is_sqlite(url) else "is a backup of SQLite, which can only be") in said


async def test_a_backup_that_is_cut_off_changes_nothing(url: URL, store: SqlTranscriptStore, tmp_path: Path) -> None:
    await store.put(transcript(1, text="what was said " * 20_000))
    file = await back_up(url, tmp_path / "b.stt")
    # Little is missing: all rows are there, but of PostgreSQL not the rules of the tables, which come last.
    os.truncate(file, file.stat().st_size - 5)
    await why_not(url, file, replace=True)
    assert ids(await store.search(Search(query="what was said"))) == ["job1"]
    # Its tables have all their rules, without which nothing could be stored.
    assert await store.put(transcript(1))


@about_sqlite
async def test_a_damaged_store_is_not_backed_up_and_gives_way_to_a_backup(
    url: URL, store: SqlTranscriptStore, sqlite_path: Path, tmp_path: Path
) -> None:
    for number in range(20):
        await store.put(transcript(number, text=f"word{number} " * 1000))
    good = await back_up(url, tmp_path / "good")
    await store.close()
    for length, place in ((100, 0), (sqlite_path.stat().st_size // 2, sqlite_path.stat().st_size // 4)):
        with sqlite_path.open("r+b") as file:
            file.seek(place)
            file.write(b"\xa5" * length)
        with pytest.raises(StoreError, match=r"damaged|not a database"):
            await back_up(url, tmp_path / "bad")
        assert not (tmp_path / "bad").exists()
        assert "--replace" in await why_not(url, good)
        await put_back(url, good, replace=True)
        async with opened(url) as mended:
            assert ids(await mended.search(Search(query="word7"))) == ["job7"]
            await mended.put(transcript(99))
    assert sqlite_path.with_name("transcripts.db.damaged").exists()
    assert report(await asyncio.to_thread(check, url)).ok


@about_postgresql
async def test_missing_programs_are_named(url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreError, match=r"pg_dump is not installed here; .*postgresql-client"):
        await back_up(url, tmp_path / "b")
    assert list(tmp_path.glob("b*")) == []


async def found(url: URL) -> dict[str, str]:
    """What a check complains about, by check."""
    return {one.check: one.message for one in await asyncio.to_thread(check, url) if one.level != "ok"}


async def test_a_check_finds_what_does_not_fit_together(url: URL, store: SqlTranscriptStore) -> None:
    for number in range(1, 4):
        await store.put(transcript(number))
    await store.append([utterance(1), utterance(2)])
    assert await found(url) == {}
    await execute(
        url, "UPDATE transcript_texts SET folded = 'other' WHERE place = (SELECT max(place) FROM transcripts)"
    )
    assert await found(url) == {"search": "the search index differs from 1 transcripts: job3"}
    await execute(
        url,
        "DELETE FROM transcript_names",
        "UPDATE conversations SET last_number = 1",
        "INSERT INTO utterance_speakers (tenant, session_id, utterance, as_of, speaker, turns)"
        " VALUES ('local', 'gone', 1, 1, 'A', '[]')",
    )
    assert await found(url) == {
        "search": "the search index differs from 3 transcripts: job1, job2, job3",
        "numbers": "in 1 conversations the next utterance would get a number that is in use",
        "rows": "rows whose utterance or key is gone: 1 of utterance_speakers",
    }
    await asyncio.to_thread(reindex, url, no_progress)
    assert "search" not in await found(url)
    assert ids(await store.search(Search(query="number 3", filename="file3"))) == ["job3"]


@about_sqlite
async def test_a_check_finds_an_index_without_the_words_of_its_table(url: URL, store: SqlTranscriptStore) -> None:
    await store.put(transcript(1))
    await execute(url, "INSERT INTO transcript_texts_index (transcript_texts_index) VALUES ('delete-all')")
    assert ids(await store.search(Search(query="number"))) == []
    assert await found(url) == {"search": "the index transcript_texts_index does not have the words of its table"}
    await asyncio.to_thread(reindex, url, no_progress)
    assert await found(url) == {}
    assert ids(await store.search(Search(query="number"))) == ["job1"]


async def test_a_check_tells_the_version(empty: URL) -> None:
    if engine.is_sqlite(empty):
        with pytest.raises(StoreError, match="there is no transcript store at"):
            await found(empty)
    else:
        assert await found(empty) == {"version": "there are no tables yet"}
    await migrate(empty)
    await execute(empty, "UPDATE alembic_version SET version_num = '0011'")
    assert await found(empty) == {"version": f"tables of version 0011; the newest is {newest_version()}"}
    await execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    assert not report(await asyncio.to_thread(check, empty)).ok
