"""Speech of live sessions for which no text was found."""

from msgspec import UNSET
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.schema import MIXED, deleted, unrecognized
from stt_gateway.store.search_index import SearchIndex
from stt_shared.contracts.conversation import UnrecognizedSpeech
from stt_shared.contracts.jobs import TimeSpan


async def append(
    connection: AsyncConnection,
    index: SearchIndex,
    tenant: str,
    session_id: str,
    speech: UnrecognizedSpeech,
    expires_ms: int | None,
) -> None:
    """Store it once, unless the stored session was deleted after it was spoken."""
    gone_ms = await connection.scalar(
        select(deleted.c.deleted_ms).where(
            deleted.c.tenant == tenant, deleted.c.kind == "transcript", deleted.c.id == session_id
        )
    )
    if gone_ms is not None and speech.spoken_ms <= gone_ms:
        return
    row = {
        "tenant": tenant,
        "session_id": session_id,
        "channel": MIXED if speech.channel is UNSET else speech.channel,
        "start_ms": speech.start_ms,
        "end_ms": speech.end_ms,
        "expires_ms": expires_ms,
    }
    await connection.execute(index.insert(unrecognized).values(row).on_conflict_do_nothing())


async def read(connection: AsyncConnection, tenant: str, session_id: str) -> list[TimeSpan]:
    """Return that of one session, in order."""
    of_session = select(unrecognized).where(unrecognized.c.tenant == tenant, unrecognized.c.session_id == session_id)
    rows = await connection.execute(of_session.order_by(unrecognized.c.start_ms, unrecognized.c.channel))
    return [
        TimeSpan(row.start_ms / 1000, row.end_ms / 1000, None if row.channel == MIXED else row.channel) for row in rows
    ]


async def remove(connection: AsyncConnection, tenant: str, session_id: str) -> None:
    """Remove that of one session."""
    await connection.execute(
        delete(unrecognized).where(unrecognized.c.tenant == tenant, unrecognized.c.session_id == session_id)
    )


async def purge(connection: AsyncConnection, now_ms: int) -> None:
    """Remove what has expired."""
    await connection.execute(delete(unrecognized).where(unrecognized.c.expires_ms <= now_ms))
