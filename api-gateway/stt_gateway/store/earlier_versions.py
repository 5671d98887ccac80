"""Earlier versions of transcripts: what people had made of them before each change."""

from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.interface import Version
from stt_gateway.store.schema import versions
from stt_shared.contracts.errors import SttError

MOST_VERSIONS = 100
"""Versions of one transcript that are kept: the newest, and besides them the first, which is as heard."""


async def keep(connection: AsyncConnection, row: Row[Any], now_ms: float) -> None:
    """Keep what a transcript's row holds now, and remove the oldest version beyond MOST_VERSIONS."""
    content = {name: getattr(row, name) for name in ("place", "revision", "title", "speaker_edits", "text_edits")}
    await connection.execute(versions.insert().values(**content, ended_ms=int(now_ms)))
    await connection.execute(
        delete(versions).where(
            versions.c.place == row.place, versions.c.revision.between(1, row.revision - MOST_VERSIONS)
        )
    )


async def read(connection: AsyncConnection, row: Row[Any], revision: int) -> Row[Any]:
    """Return the row of a version of a transcript, or its own row for its own revision. Raises SttError bad_config."""
    if revision == row.revision:
        return row
    query = select(versions).where(versions.c.place == row.place, versions.c.revision == revision)
    found: Row[Any] | None = (await connection.execute(query)).first()
    if found is None:
        raise SttError("bad_config", f"revision {revision} is not kept; GET …/versions lists those that are")
    return found


async def listed(connection: AsyncConnection, place: int) -> list[Version]:
    """Return the versions of a transcript, newest first."""
    query = select(versions).where(versions.c.place == place).order_by(versions.c.revision.desc())
    return [Version(row.revision, row.title, row.ended_ms) for row in await connection.execute(query)]
