"""Comparison of the search index with its transcripts, and its rebuilding from them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import URL, Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.engine import close_engine, is_sqlite, open_engine, writing
from stt_gateway.store.failures import as_store_error
from stt_gateway.store.folding import fold
from stt_gateway.store.maintenance.progress import Progress
from stt_gateway.store.maintenance.sqlite_files import existing
from stt_gateway.store.migrating import migrate
from stt_gateway.store.postgres_search import PostgresSearch
from stt_gateway.store.rows import LISTED, names_of
from stt_gateway.store.schema import names, texts, transcripts
from stt_gateway.store.search_index import SearchIndex
from stt_gateway.store.sqlite_search import SqliteSearch

_AT_ONCE = 50


def reindex(url: URL, progress: Progress) -> None:
    """Build the search index again; gateways may be running. Raises StoreError."""
    with as_store_error(url):
        if is_sqlite(url):
            existing(url)
        asyncio.run(_reindex(url, progress))


async def _reindex(url: URL, progress: Progress) -> None:
    await migrate(url)
    engine = open_engine(url, pool_size=1)
    index: SearchIndex = SqliteSearch() if is_sqlite(url) else PostgresSearch()
    done, last = 0, None
    try:
        for kind in (names, texts) if is_sqlite(url) else ():
            progress("rebuilding", 0, 0)
            # First: changes take the words before them out of the index, and fail if these are not there.
            async with writing(engine).begin() as connection:
                rebuild = f"INSERT INTO {kind.name}_index ({kind.name}_index) VALUES ('rebuild')"  # noqa: S608
                await connection.exec_driver_sql(rebuild)
        while True:
            async with writing(engine).begin() as connection:
                total = await _count(connection)
                rows = (await connection.execute(_following(last).with_for_update())).all()
                for row in rows:
                    await _write(connection, index, row)
            if not rows:
                return
            last = rows[-1].place
            done += len(rows)
            progress("indexing", done, total)
    finally:
        await close_engine(engine)


async def _write(connection: AsyncConnection, index: SearchIndex, row: Row[Any]) -> None:
    for table, values in index.rows(row.place, names_of(row), fold(row.text)):
        new = index.insert(table).values(values)
        changed = {name: new.excluded[name] for name in values if name != "place"}
        await connection.execute(new.on_conflict_do_update(index_elements=["place"], set_=changed))


async def _count(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.count()).select_from(transcripts)) or 0


def _following(last: int | None) -> Select[Any]:
    """Select the first transcripts after a place, or of all."""
    query = select(*LISTED, transcripts.c.text).order_by(transcripts.c.place).limit(_AT_ONCE)
    return query if last is None else query.where(transcripts.c.place > last)


async def differing(connection: AsyncConnection, index: SearchIndex, progress: Progress) -> AsyncIterator[str]:
    """Yield the id of each transcript that a search would not find by all of its names and text, or by others."""
    total = await _count(connection)
    done, last = 0, None
    while True:
        rows = (await connection.execute(_following(last))).all()
        if not rows:
            return
        for id in await _differing_among(connection, index, rows):
            yield id
        last = rows[-1].place
        done += len(rows)
        progress("comparing", done, total)


async def _differing_among(connection: AsyncConnection, index: SearchIndex, rows: Sequence[Any]) -> list[str]:
    expected = {row.place: index.rows(row.place, names_of(row), fold(row.text)) for row in rows}
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for table, columns in next(iter(expected.values())):
        query = select(*(table.c[name] for name in columns)).where(table.c.place.in_(expected))
        found |= {(table.name, row.place): dict(row._mapping) for row in await connection.execute(query)}
    return [
        row.id
        for row in rows
        if any(found.get((table.name, row.place)) != wanted for table, wanted in expected[row.place])
    ]
