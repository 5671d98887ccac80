"""Search in PostgreSQL: GIN indexes over hashed pieces of text, then a check of the folded text itself.

Pieces are words and pairs of adjacent words (of a text), or runs of one to three letters (of a name), as 32-bit
hashes. The index finds rows that contain all pieces of the query; the check removes hash collisions and phrases whose
pairs are not adjacent. Search therefore needs no extension, handles every alphabet whatever the server's locale, and
has neither tsvector's limit of one megabyte nor its limit of 256 positions per word.
"""

import contextlib
import zlib
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, TableClause, and_, column, func, literal, select, table, text
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stt_gateway.store.search_index import FoldedRow

_LONGEST_RUN = 3

_names = table("transcript_names", column("place"), column("folded"), column("grams", ARRAY(Integer)))
_texts = table("transcript_texts", column("place"), column("folded"), column("grams", ARRAY(Integer)))


class PostgresSearch:
    """``SearchIndex`` for PostgreSQL."""

    def insert(self, table: TableClause) -> postgresql.Insert:
        """Return an INSERT that supports ON CONFLICT."""
        return postgresql.insert(table)

    def rows(self, place: int, name: str, text: str | None = None) -> Sequence[FoldedRow]:
        """Return the rows that index a folded name and text."""
        named: FoldedRow = (_names, {"place": place, "folded": name, "grams": sorted(name_grams(name))})
        if text is None:
            return [named]
        # Spaces at both ends: a phrase surrounded by spaces then matches whole words only.
        return [named, (_texts, {"place": place, "folded": f" {text} ", "grams": sorted(text_grams(text))})]

    def matching(self, name: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
        """Return a query for the places that match a part of a name and a phrase, and its column."""
        by_name = (
            [_holds(_names.c.grams, _needed_of_name(name)), func.strpos(_names.c.folded, name) > 0] if name else []
        )
        if not phrase:
            return select(_names.c.place).where(*by_name), _names.c.place
        query = select(_texts.c.place).where(
            _holds(_texts.c.grams, _needed_of_text(phrase)), func.strpos(_texts.c.folded, f" {phrase} ") > 0
        )
        if name:
            query = query.join(_names, and_(_names.c.place == _texts.c.place, *by_name))
        return query, _texts.c.place

    @contextlib.asynccontextmanager
    async def limited(self, connection: AsyncConnection, seconds: float) -> AsyncIterator[None]:
        """Limit the time of each query in the connection's transaction; the driver ends one that is cancelled."""
        await connection.execute(text(f"SET LOCAL statement_timeout = {seconds * 1000:.0f}"))
        yield

    async def scrub(self, engine: AsyncEngine) -> None:
        """Do nothing: the server's autovacuum does it."""


def name_grams(folded: str) -> set[int]:
    """Return hashes of all runs of one to three letters, within each name (line)."""
    return _hashes(
        line[at : at + length]
        for line in folded.split("\n")
        for length in range(1, _LONGEST_RUN + 1)
        for at in range(len(line) - length + 1)
    )


def text_grams(folded: str) -> set[int]:
    """Return hashes of all words and pairs of adjacent words."""
    words = folded.split()
    return _hashes(words) | _hashes(map(" ".join, pairwise(words)))


def _needed_of_name(part: str) -> set[int]:
    length = min(len(part), _LONGEST_RUN)
    return _hashes(part[at : at + length] for at in range(len(part) - length + 1))


def _needed_of_text(phrase: str) -> set[int]:
    words = phrase.split()
    return _hashes(map(" ".join, pairwise(words)) if len(words) > 1 else words)


def _hashes(pieces: Iterable[str]) -> set[int]:
    # Each distinct piece is hashed once; PostgreSQL's integers are signed.
    return {(zlib.crc32(piece.encode()) ^ 0x8000_0000) - 0x8000_0000 for piece in set(pieces)}


def _holds(grams: ColumnElement[Any], needed: set[int]) -> ColumnElement[bool]:
    return grams.op("@>", is_comparison=True)(sql_cast(literal(sorted(needed), ARRAY(Integer)), ARRAY(Integer)))
