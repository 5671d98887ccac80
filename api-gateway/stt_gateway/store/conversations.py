"""Utterances of conversations, numbered as they are stored and read by number."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import ColumnElement, and_, case, delete, exists, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.interface import NumberedUtterance, StoredUtterance
from stt_gateway.store.names import kept_name, kept_text
from stt_gateway.store.schema import conversations, deleted, utterance_speakers, utterances
from stt_gateway.store.search_index import SearchIndex
from stt_shared.contracts.conversation import CompactWord

_WITHOUT_WORDS = [column for column in utterances.c if column.name != "words"]

_decode_words = msgspec.json.Decoder(list[CompactWord]).decode


async def append(
    connection: AsyncConnection, index: SearchIndex, tenant: str, new: Sequence[StoredUtterance]
) -> list[int]:
    """Store the utterances and return their numbers; 0 for one that arrived after its session or conversation was
    deleted."""
    rows = [{"tenant": tenant, **_row(one)} for one in new]
    numbers: dict[tuple[str, int], int] = {}
    # All writers lock conversations in the same order, so that they cannot deadlock.
    ordered = sorted(rows, key=lambda row: row["conversation_id"])
    for conversation_id, group in groupby(ordered, key=lambda row: row["conversation_id"]):
        numbers |= await _append_to(connection, index, tenant, conversation_id, list(group))
    return [numbers[_key(row)] for row in rows]


async def _append_to(
    connection: AsyncConnection, index: SearchIndex, tenant: str, conversation_id: str, new: list[dict[str, Any]]
) -> dict[tuple[str, int], int]:
    touched_ms = max(row["ended_ms"] for row in new)
    seen_ms = conversations.c.touched_ms
    this = and_(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
    opened = index.insert(conversations).values(tenant=tenant, id=conversation_id, last_number=0, touched_ms=touched_ms)
    await connection.execute(opened.on_conflict_do_nothing())
    # This locks the row until the commit: numbers become readable in order, and no reader skips one that a slower
    # writer has yet to commit.
    last = (
        await connection.execute(
            update(conversations)
            .where(this)
            .values(touched_ms=case((seen_ms < touched_ms, touched_ms), else_=seen_ms))
            .returning(conversations.c.last_number)
        )
    ).scalar_one()
    numbers = await _stored_numbers(connection, tenant, new)
    deleted_ms = await _deletion_times(connection, tenant, conversation_id, new)
    rows = []
    for row in new:
        key = _key(row)
        if key in numbers:
            continue
        if row["ended_ms"] <= deleted_ms.get(row["session_id"], 0):
            numbers[key] = 0
            continue
        last += 1
        numbers[key] = last
        rows.append({**row, "number": last})
    if rows:
        await connection.execute(insert(utterances), rows)
        await connection.execute(update(conversations).where(this).values(last_number=last))
    return numbers


def _key(row: dict[str, Any]) -> tuple[str, int]:
    return row["session_id"], row["utterance"]


async def _stored_numbers(
    connection: AsyncConnection, tenant: str, new: Sequence[dict[str, Any]]
) -> dict[tuple[str, int], int]:
    found = await connection.execute(
        select(utterances.c.session_id, utterances.c.utterance, utterances.c.number).where(
            utterances.c.tenant == tenant,
            tuple_(utterances.c.session_id, utterances.c.utterance).in_([_key(row) for row in new]),
        )
    )
    return {(row.session_id, row.utterance): row.number for row in found}


async def _deletion_times(
    connection: AsyncConnection, tenant: str, conversation_id: str, new: Sequence[dict[str, Any]]
) -> dict[str, int]:
    """Return the time at which each session or this conversation was deleted, whichever is later."""
    sessions = {row["session_id"] for row in new}
    found = await connection.execute(
        select(deleted).where(
            deleted.c.tenant == tenant,
            or_(
                and_(deleted.c.kind == "conversation", deleted.c.id == conversation_id),
                and_(deleted.c.kind == "transcript", deleted.c.id.in_(sessions)),
            ),
        )
    )
    moments: dict[str, int] = {}
    for row in found:
        for session in sessions if row.kind == "conversation" else {row.id}:
            moments[session] = max(moments.get(session, 0), row.deleted_ms)
    return moments


def _row(one: StoredUtterance) -> dict[str, Any]:
    """Return an utterance's row, without its number."""
    # Clients choose the names of conversations and speakers freely.
    words = [msgspec.structs.replace(word, word=kept_text(word.word)) for word in one.words]
    return {
        "session_id": one.session_id,
        "utterance": one.utterance,
        "conversation_id": kept_text(one.conversation_id or one.session_id),
        "speaker": kept_name(one.speaker or ""),
        "text": kept_text(one.text),
        "language": one.language,
        "started_ms": one.spoken_ms,
        "ended_ms": one.ended_ms,
        "start_ms": one.start_ms,
        "end_ms": one.end_ms,
        "expires_ms": one.expires_ms,
        "confidence": one.confidence,
        "channel": None if one.channel is UNSET else one.channel,
        "words": msgspec.json.encode(words).decode(),
    }


async def read(
    connection: AsyncConnection, tenant: str, conversation_id: str, after: int, since_ms: float | None, limit: int
) -> list[NumberedUtterance]:
    """Return utterances numbered above ``after`` that ended at or after ``since_ms``, by number, without words.

    Their speakers are those that were told last.
    """
    told = and_(
        *(utterance_speakers.c[name] == utterances.c[name] for name in ("tenant", "session_id", "utterance")),
        # Anything else is the name of whoever opened the session.
        utterances.c.speaker == "",
    )
    speaker = utterance_speakers.c.speaker.label("told")
    query = select(*_WITHOUT_WORDS, speaker).select_from(utterances.outerjoin(utterance_speakers, told))
    query = query.where(*_in(tenant, conversation_id), utterances.c.number > after)
    if since_ms is not None:
        query = query.where(utterances.c.ended_ms >= int(since_ms))
    rows = await connection.execute(query.order_by(utterances.c.number).limit(limit))
    return [
        NumberedUtterance(row.number, msgspec.structs.replace(_utterance(row), speaker=row.told or row.speaker))
        for row in rows
    ]


def _in(tenant: str, conversation_id: str) -> list[ColumnElement[bool]]:
    return [utterances.c.tenant == tenant, utterances.c.conversation_id == conversation_id]


async def read_session(connection: AsyncConnection, tenant: str, session_id: str) -> list[StoredUtterance]:
    """Return all utterances of one session, in order."""
    this = utterances.c.tenant == tenant, utterances.c.session_id == session_id
    query = select(utterances).where(*this).order_by(utterances.c.utterance)
    return [_utterance(row, _decode_words(row.words)) for row in await connection.execute(query)]


def _utterance(row: Any, words: Sequence[CompactWord] = ()) -> StoredUtterance:
    return StoredUtterance(
        session_id=row.session_id,
        instance="",
        utterance=row.utterance,
        conversation_id=row.conversation_id,
        speaker=row.speaker,
        text=row.text,
        language=row.language,
        spoken_ms=row.started_ms,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        expires_ms=row.expires_ms,
        confidence=row.confidence,
        channel=UNSET if row.channel is None else row.channel,
        words=list(words),
    )


async def remove(connection: AsyncConnection, tenant: str, conversation_id: str) -> int:
    """Remove a conversation's utterances and return how many there were.

    Its numbering continues, for readers that are still following it.
    """
    return (await connection.execute(delete(utterances).where(*_in(tenant, conversation_id)))).rowcount


async def purge(connection: AsyncConnection, now_ms: int, forgotten_ms: int) -> int:
    """Remove expired utterances, and empty conversations not written to since ``forgotten_ms``.

    Returns the number of utterances removed.
    """
    gone = await connection.execute(delete(utterances).where(utterances.c.expires_ms <= now_ms))
    empty = ~exists(
        select(1).where(
            utterances.c.tenant == conversations.c.tenant, utterances.c.conversation_id == conversations.c.id
        )
    )
    await connection.execute(delete(conversations).where(conversations.c.touched_ms < forgotten_ms, empty))
    return gone.rowcount
