"""Search in SQLite: FTS5 over folded texts and, by trigrams, over folded names. Triggers keep both up to date."""

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import aiosqlite
from sqlalchemy import ColumnElement, Select, TableClause, column, exists, func, select, table
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stt_gateway.store.engine import empty_log, writing
from stt_gateway.store.schema import names, texts
from stt_gateway.store.search_index import FoldedRow

_TRIGRAM = 3
_MERGED_PAGES = 200
_STEPS_PER_CHECK = 1000
"""Steps of SQLite's virtual machine between two checks of the time limit: well below a millisecond."""
_WORKED = 2
"""Minimum number of changes by a merge that found something to do; an idle merge makes fewer."""


class SqliteSearch:
    """``SearchIndex`` for SQLite."""

    def insert(self, table: TableClause) -> sqlite.Insert:
        """Return an INSERT that supports ON CONFLICT."""
        return sqlite.insert(table)

    def rows(self, place: int, name: str, text: str | None = None) -> Sequence[FoldedRow]:
        """Return the rows that index a folded name and text."""
        named: FoldedRow = (names, {"place": place, "folded": name})
        return [named] if text is None else [named, (texts, {"place": place, "folded": text})]

    def matching(self, name: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
        """Return a query for the places that match a part of a name and a phrase, and its column."""
        if phrase:
            query, place = _matched("transcript_texts_index", phrase)
            if name:
                query = query.where(
                    exists(select(1).where(names.c.place == place, func.instr(names.c.folded, name) > 0))
                )
            return query, place
        if len(name) >= _TRIGRAM:
            return _matched("transcript_names_index", name)
        # Too short for trigrams. The table of names is small, and a short part is found soon.
        return select(names.c.place).where(func.instr(names.c.folded, name) > 0), names.c.place

    @contextlib.asynccontextmanager
    async def limited(self, connection: AsyncConnection, seconds: float) -> AsyncIterator[None]:
        """Interrupt queries of the connection that take longer than ``seconds``, and one that runs at the exit."""
        driver = cast(aiosqlite.Connection, (await connection.get_raw_connection()).driver_connection)
        ends_s = time.monotonic() + seconds
        left = False

        def is_over() -> bool:
            return left or time.monotonic() > ends_s

        await driver.set_progress_handler(is_over, _STEPS_PER_CHECK)
        try:
            yield
        finally:
            # A query whose caller was cancelled still runs in the connection's thread.
            left = True
            if not connection.invalidated:
                await driver.set_progress_handler(None, 0)  # type: ignore[arg-type]

    async def scrub(self, engine: AsyncEngine) -> None:
        """Merge the index's segments, since older ones keep the words of deleted texts, and empty the WAL."""
        for kind in (names, texts):
            # In short steps, so that others can write in between. The first step includes all segments, however few.
            pages = -_MERGED_PAGES
            while True:
                async with writing(engine).begin() as connection:
                    before = await _changes(connection)
                    await connection.exec_driver_sql(
                        f"INSERT INTO {kind.name}_index ({kind.name}_index, rank) VALUES ('merge', ?)",  # noqa: S608
                        (pages,),
                    )
                    worked = await _changes(connection) - before
                if worked < _WORKED:
                    break
                pages = _MERGED_PAGES
        await empty_log(engine)


async def _changes(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.total_changes()))).scalar_one())


def _matched(index: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
    # Qualified with its table: inside a condition on another table, a bare rowid would be that table's.
    matched = table(index, column("rowid"))
    place: ColumnElement[int] = matched.c.rowid
    # Inside quotes FTS5's query syntax has no meaning, except for the quote itself.
    quoted = '"' + phrase.replace('"', '""') + '"'
    return select(place).where(column(index).op("MATCH")(quoted)), place
