"""Speakers of the utterances of live sessions, as finals and revisions told them."""

import msgspec
from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.names import kept_text
from stt_gateway.store.schema import deleted, utterance_speakers, utterances
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
    """Store the speakers unless newer ones are stored, or their session or conversation was deleted since."""
    session = and_(deleted.c.kind == "transcript", deleted.c.id == session_id)
    conversation = and_(deleted.c.kind == "conversation", deleted.c.id == kept_text(told.conversation_id or ""))
    gone_ms = await connection.scalar(
        select(func.max(deleted.c.deleted_ms)).where(deleted.c.tenant == tenant, or_(session, conversation))
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


async def remove_conversation(connection: AsyncConnection, tenant: str, conversation_id: str) -> None:
    """Remove those of the utterances of one conversation, which must still be there."""
    sessions = select(utterances.c.session_id).where(
        utterances.c.tenant == tenant, utterances.c.conversation_id == conversation_id
    )
    await connection.execute(
        delete(utterance_speakers).where(
            utterance_speakers.c.tenant == tenant, utterance_speakers.c.session_id.in_(sessions)
        )
    )


async def purge(connection: AsyncConnection, now_ms: int) -> None:
    """Remove what has expired."""
    await connection.execute(delete(utterance_speakers).where(utterance_speakers.c.expires_ms <= now_ms))
