"""Comparison of the search index with the transcripts that it is of."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.folding import fold
from stt_gateway.store.maintenance.progress import Progress
from stt_gateway.store.rows import LISTED, names_of
from stt_gateway.store.schema import transcripts
from stt_gateway.store.search_index import SearchIndex

_AT_ONCE = 50


async def differing(connection: AsyncConnection, index: SearchIndex, progress: Progress) -> AsyncIterator[str]:
    """Yield the id of each transcript that a search would not find by all of its names and text, or by others."""
    total = await connection.scalar(select(func.count()).select_from(transcripts)) or 0
    done, last = 0, None
    while True:
        query = select(*LISTED, transcripts.c.text).order_by(transcripts.c.place).limit(_AT_ONCE)
        rows = (await connection.execute(query if last is None else query.where(transcripts.c.place > last))).all()
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
