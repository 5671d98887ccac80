"""Search in SQLite: FTS5 over folded texts and, by trigrams, over folded names. Triggers keep both in step."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, TableClause, column, exists, func, select, table, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stt_gateway.store.engine import writing
from stt_gateway.store.schema import names, texts
from stt_gateway.store.search_index import FoldedRow

_TRIGRAM = 3
_MERGED_PAGES = 200
_WORKED = 2
"""Changes of a merge that found something to do; a merge that did not makes fewer."""


class SqliteSearch:
    """As ``SearchIndex``."""

    def insert(self, table: TableClause) -> sqlite.Insert:
        """An INSERT that knows ON CONFLICT."""
        return sqlite.insert(table)

    def rows(self, place: int, name: str, text: str | None = None) -> Sequence[FoldedRow]:
        """What indexes a folded name and text."""
        named: FoldedRow = (names, {"place": place, "folded": name})
        return [named] if text is None else [named, (texts, {"place": place, "folded": text})]

    def matching(self, name: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
        """Places that hold a part of a name and a phrase."""
        if phrase:
            query, place = _matched("transcript_texts_index", phrase)
            if name:
                query = query.where(
                    exists(select(1).where(names.c.place == place, func.instr(names.c.folded, name) > 0))
                )
            return query, place
        if len(name) >= _TRIGRAM:
            return _matched("transcript_names_index", name)
        # Too short for trigrams. Names alone make a small table, and a short part is found soon.
        return select(names.c.place).where(func.instr(names.c.folded, name) > 0), names.c.place

    async def scrub(self, engine: AsyncEngine) -> None:
        """Merges the index's segments, since older ones keep the words of deleted texts, and empties the log."""
        for kind in (names, texts):
            # In short steps: others write in between. The first one takes all segments together, however few.
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
        async with engine.connect() as connection:
            # Not inside a transaction. Busy readers make it do less; the next time does the rest.
            await connection.execute(text("COMMIT"))
            await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            await connection.execute(text("BEGIN"))


async def _changes(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(func.total_changes()))).scalar_one())


def _matched(index: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
    # Named with its table: inside a condition on another table, rowid alone would be that table's.
    matched = table(index, column("rowid"))
    place: ColumnElement[int] = matched.c.rowid
    # In quotes nothing of FTS5's query language has a meaning, save the quote itself.
    quoted = '"' + phrase.replace('"', '""') + '"'
    return select(place).where(column(index).op("MATCH")(quoted)), place
