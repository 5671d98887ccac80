"""Interface for what differs between the databases: upserts, and how the search index is maintained and queried."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, TableClause, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stt_gateway.core.requests.principal import Reach
from stt_gateway.store.folding import fold_name
from stt_gateway.store.interface import Search
from stt_gateway.store.schema import first_place, transcripts

Upsert = sqlite.Insert | postgresql.Insert
FoldedRow = tuple[TableClause, dict[str, Any]]
"""An index table and a row for it."""


class SearchIndex(Protocol):
    """Upserts and search of one database."""

    def insert(self, table: TableClause) -> Upsert:
        """Return an INSERT that supports ON CONFLICT."""

    def rows(self, place: int, name: str, text: str | None = None) -> Sequence[FoldedRow]:
        """Return the rows that index a folded name and text (None: the text is unchanged)."""

    def matching(self, name: str, phrase: str) -> tuple[Select[Any], ColumnElement[int]]:
        """Return a query for the places that match a part of a name and a phrase, and its column.

        Both are folded, and at least one is not empty.
        """

    def limited(self, connection: AsyncConnection, seconds: float) -> AbstractAsyncContextManager[None]:
        """Return a context in which each query of the connection ends after ``seconds``, and at its exit at once.

        What it ends raises the database's error for it.
        """

    async def scrub(self, engine: AsyncEngine) -> None:
        """Remove remnants of deleted texts from the database's files."""


def folded_names(title: str, filename: str, speakers: Sequence[str]) -> str:
    """Return the indexed form of title, file name and names of speakers: one per line, so that no part spans two."""
    return "\n".join(dict.fromkeys(fold_name(name) for name in (title, filename, *speakers)))


def within(reach: Reach) -> list[ColumnElement[bool]]:
    """Return the conditions on transcripts that are within reach."""
    own = [transcripts.c.tenant == reach.tenant]
    return own if reach.key_id is None else [*own, transcripts.c.key_id == reach.key_id]


def places(index: SearchIndex, reach: Reach, wanted: Search, name: str, phrase: str) -> Select[Any]:
    """Select places, newest first, one more than wanted: it shows whether there is a next page."""
    own = [
        transcripts.c.language == wanted.language if wanted.language else None,
        transcripts.c.kind == wanted.kind if wanted.kind else None,
    ]
    conditions = [*within(reach), *(condition for condition in own if condition is not None)]
    if name or phrase:
        query, place = index.matching(name, phrase)
        # Not a join: matches must be read in their own order, newest first, not by tenant or language.
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
