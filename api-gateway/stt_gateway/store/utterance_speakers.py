"""Speakers of the utterances of live sessions, as finals and revisions told them."""

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.schema import deleted, utterance_speakers
from stt_gateway.store.search_index import SearchIndex
from stt_shared.contracts.conversation import SpeakersTold
from stt_shared.contracts.events import RevisedUtterance, SpeakerTurn

_decode_turns = msgspec.json.Decoder(list[SpeakerTurn]).decode


async def append(
    connection: AsyncConnection,
    index: SearchIndex,
    tenant: str,
    session_id: str,
    told: SpeakersTold,
    expires_ms: int | None,
) -> None:
    """Store the speakers unless newer ones are stored, or the stored session was deleted after they were told."""
    gone_ms = await connection.scalar(
        select(deleted.c.deleted_ms).where(
            deleted.c.tenant == tenant, deleted.c.kind == "transcript", deleted.c.id == session_id
        )
    )
    if gone_ms is not None and told.told_ms <= gone_ms:
        return
    rows = [
        {
            "tenant": tenant,
            "session_id": session_id,
            "utterance": one.utterance,
            "as_of": told.as_of,
            "speaker": one.speaker or "",
            "turns": msgspec.json.encode(one.turns).decode(),
            "expires_ms": expires_ms,
        }
        for one in told.utterances
    ]
    new = index.insert(utterance_speakers)
    # Accounts may arrive in any order, since several gateways store them.
    await connection.execute(
        new.on_conflict_do_update(
            index_elements=["tenant", "session_id", "utterance"],
            set_={name: new.excluded[name] for name in ("as_of", "speaker", "turns", "expires_ms")},
            where=utterance_speakers.c.as_of <= new.excluded["as_of"],
        ),
        rows,
    )


async def read(connection: AsyncConnection, tenant: str, session_id: str) -> dict[int, RevisedUtterance]:
    """Return those of one session, by the number of the utterance."""
    query = select(utterance_speakers).where(
        utterance_speakers.c.tenant == tenant, utterance_speakers.c.session_id == session_id
    )
    return {
        row.utterance: RevisedUtterance(row.utterance, row.speaker or None, _decode_turns(row.turns))
        for row in await connection.execute(query)
    }


async def remove(connection: AsyncConnection, tenant: str, session_id: str) -> None:
    """Remove those of one session."""
    await connection.execute(
        delete(utterance_speakers).where(
            utterance_speakers.c.tenant == tenant, utterance_speakers.c.session_id == session_id
        )
    )


async def purge(connection: AsyncConnection, now_ms: int) -> None:
    """Remove what has expired."""
    await connection.execute(delete(utterance_speakers).where(utterance_speakers.c.expires_ms <= now_ms))
