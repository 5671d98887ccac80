"""Checks of a transcript store: its file, the version of its tables, its search index, and rows that lack others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import URL, ColumnElement, Table, and_, exc, exists, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.engine import SQLITE_FILE, close_engine, database_url, is_sqlite, open_engine
from stt_gateway.store.failures import as_store_error
from stt_gateway.store.maintenance import sqlite_files
from stt_gateway.store.maintenance.contents import read_version
from stt_gateway.store.maintenance.progress import Progress, no_progress
from stt_gateway.store.maintenance.reindexing import differing
from stt_gateway.store.postgres_search import PostgresSearch
from stt_gateway.store.schema import (
    api_keys,
    conversations,
    key_usage,
    names,
    texts,
    transcripts,
    utterance_speakers,
    utterances,
)
from stt_gateway.store.sqlite_search import SqliteSearch
from stt_gateway.store.versions import is_known, newest_version
from stt_shared.contracts.findings import Finding, Level

_NAMED = 5
_RESTORE = "restore a backup (stt store restore)"
_REINDEX = "build the index again (stt store reindex)"


def check(url: URL, progress: Progress = no_progress) -> list[Finding]:
    """Return what is found in a store, as it is at one moment; gateways may be running. Raises StoreError if there is
    no store, or it cannot be read.

    A SQLite file is copied for it, since a check of its search index would keep others from writing.
    """
    with as_store_error(url):
        if not is_sqlite(url):
            return asyncio.run(_check_tables(url, progress))
        store = sqlite_files.existing(url)
        with sqlite_files.scratch_folder(store) as folder:
            copied = database_url(None, folder)
            sqlite_files.copy(store, folder / SQLITE_FILE, "copying", progress)
            progress("checking the file", 0, 0)
            if problems := sqlite_files.damage(folder / SQLITE_FILE):
                return [Finding("file", Level.ERROR, f"{store} is damaged: {'; '.join(problems)}", _RESTORE)]
            sound = Finding("file", Level.OK, f"{store} is sound")
            return [sound, *asyncio.run(_check_tables(copied, progress))]


def version_finding(version: str | None) -> Finding:
    """Return what the version of the tables means for a start."""
    newest = newest_version()
    if version is None:
        return Finding("version", Level.WARNING, "there are no tables yet", "the first start of a gateway creates them")
    if version == newest:
        return Finding("version", Level.OK, f"tables of version {version}, the newest")
    if is_known(version):
        remedy = "the next start of a gateway migrates them; make a backup before (stt store backup)"
        return Finding("version", Level.WARNING, f"tables of version {version}; the newest is {newest}", remedy)
    message = f"tables of version {version}, which this version of the suite does not know; it knows {newest}"
    return Finding("version", Level.ERROR, message, "install the version of the suite that has migrated them")


async def _check_tables(url: URL, progress: Progress) -> list[Finding]:
    async with _reading(url) as connection:
        version = await connection.run_sync(read_version)
        found = [version_finding(version)]
        if version != newest_version():
            return found
        found.append(await _check_index(connection, is_sqlite(url), progress))
        progress("looking for rows that lack others", 0, 0)
        return [*found, await _check_rows(connection), await _check_numbers(connection)]


@contextlib.asynccontextmanager
async def _reading(url: URL) -> AsyncIterator[AsyncConnection]:
    # Opened as for a migration, since a check may take longer than any statement of a gateway.
    engine = open_engine(url, pool_size=1, creating=True)
    try:
        async with engine.connect() as connection:
            if not is_sqlite(url):
                await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection
    finally:
        await close_engine(engine)


async def _check_index(connection: AsyncConnection, of_sqlite: bool, progress: Progress) -> Finding:
    if of_sqlite:
        for kind in (names, texts):
            try:
                await connection.exec_driver_sql(
                    f"INSERT INTO {kind.name}_index ({kind.name}_index, rank) VALUES ('integrity-check', 1)"  # noqa: S608
                )
            except exc.DatabaseError:
                message = f"the index {kind.name}_index does not have the words of its table"
                return Finding("search", Level.ERROR, message, _REINDEX)
    index = SqliteSearch() if of_sqlite else PostgresSearch()
    wrong = [id async for id in differing(connection, index, progress)]
    if wrong:
        others = f" and {len(wrong) - _NAMED} others" if len(wrong) > _NAMED else ""
        message = f"the search index differs from {len(wrong)} transcripts: {', '.join(wrong[:_NAMED])}{others}"
        return Finding("search", Level.ERROR, message, _REINDEX)
    count = await connection.scalar(select(func.count()).select_from(transcripts))
    return Finding("search", Level.OK, f"{count} transcripts, and the search index matches them")


async def _check_rows(connection: AsyncConnection) -> Finding:
    """Look for rows that refer to others by no rule of the database, and whose others are gone."""
    spoken = [utterance_speakers.c[name] == utterances.c[name] for name in ("tenant", "session_id", "utterance")]
    orphans: Sequence[tuple[Table, ColumnElement[bool]]] = (
        (utterance_speakers, and_(*spoken)),
        (key_usage, api_keys.c.id == key_usage.c.key_id),
    )
    found = []
    for table, owner in orphans:
        query = select(func.count()).select_from(table).where(~exists(select(1).where(owner)))
        if count := await connection.scalar(query):
            found.append(f"{count} of {table.name}")
    if not found:
        return Finding("rows", Level.OK, "no row refers to one that is gone")
    remedy = "they do no harm, since nothing shows them; if the suite was writing just now, check again"
    return Finding("rows", Level.WARNING, f"rows whose utterance or key is gone: {', '.join(found)}", remedy)


async def _check_numbers(connection: AsyncConnection) -> Finding:
    """Look for conversations whose next utterance would get a number that is taken."""
    same = and_(utterances.c.tenant == conversations.c.tenant, utterances.c.conversation_id == conversations.c.id)
    later = exists(select(1).where(same, utterances.c.number > conversations.c.last_number))
    count = await connection.scalar(select(func.count()).select_from(conversations).where(later))
    if count:
        message = f"in {count} conversations the next utterance would get a number that is in use"
        return Finding("numbers", Level.ERROR, message, _RESTORE)
    return Finding("numbers", Level.OK, "each conversation numbers its next utterance past the last")
