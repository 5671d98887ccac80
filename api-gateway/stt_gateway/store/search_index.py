"""What differs between the databases: how an upsert is written, and how the search index is kept and asked."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, TableClause, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from stt_gateway.store.folding import fold_name
from stt_gateway.store.interface import Search
from stt_gateway.store.schema import first_place, transcripts

Upsert = sqlite.Insert | postgresql.Insert
FoldedRow = tuple[TableClause, dict[str, Any]]
"""A row of an index's table, with the table."""


class SearchIndex(Protocol):
    """One database's way."""

    def insert(self, table: TableClause) -> Upsert:
        """An INSERT that knows ON CONFLICT."""

    def rows(self, place: int, name: str, text: str | None = None) -> Sequence[FoldedRow]:
        """What indexes a folded name and text (None: the text stays as it is)."""

    def matching(self, name: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
        """Places that hold a part of a name and a phrase, both folded, at least one not empty; and their column."""

    async def scrub(self, engine: AsyncEngine) -> None:
        """Removes what deleted texts left behind in the database's files."""


def folded_names(title: str, filename: str) -> str:
    """What the index of names holds: title and file name, a line each; no part reaches from one to the other."""
    return "\n".join(dict.fromkeys(fold_name(name) for name in (title, filename)))


def places(index: SearchIndex, wanted: Search, name: str, phrase: str) -> Select[Any]:
    """One place more than wanted, newest first: whether there is a next page."""
    own = [
        transcripts.c.language == wanted.language if wanted.language else None,
        transcripts.c.kind == wanted.kind if wanted.kind else None,
    ]
    conditions = [condition for condition in own if condition is not None]
    if name or phrase:
        query, place = index.matching(name, phrase)
        if conditions:
            # Not a join: matches must be walked in their order, newest first, and not by language.
            query = query.where(exists(select(1).where(transcripts.c.place == place, *conditions)))
    else:
        place = transcripts.c.place
        query = select(place).where(*conditions)
    if wanted.from_ms is not None:
        query = query.where(place >= first_place(wanted.from_ms))
    if wanted.to_ms is not None:
        query = query.where(place < first_place(wanted.to_ms))
    if wanted.before is not None:
        query = query.where(place < wanted.before)
    return query.order_by(place.desc()).limit(wanted.limit + 1)
