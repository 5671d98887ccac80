"""Utterances of conversations, numbered as they are stored and read by number."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import Row, and_, case, delete, exists, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stt_gateway.store.interface import NumberedUtterance, Utterance
from stt_gateway.store.names import kept_name, kept_text
from stt_gateway.store.schema import conversations, deleted, utterances
from stt_gateway.store.search_index import SearchIndex
from stt_shared.contracts.conversation import SpokenWord

_PLAIN = [column for column in utterances.c if column.name not in ("number", "words")]

_decode_words = msgspec.json.Decoder(list[SpokenWord]).decode


async def append(connection: AsyncConnection, index: SearchIndex, new: Sequence[Utterance]) -> list[int]:
    """Store the utterances and return their numbers; 0 for one that arrived after its session or conversation was
    deleted."""
    new = [_storable(one) for one in new]
    numbers: dict[tuple[str, int], int] = {}
    # All writers lock conversations in the same order, so that they cannot deadlock.
    ordered = sorted(new, key=lambda one: one.conversation_id)
    for conversation_id, group in groupby(ordered, key=lambda one: one.conversation_id):
        numbers |= await _append_to(connection, index, conversation_id, list(group))
    return [numbers[one.session_id, one.utterance] for one in new]


async def _append_to(
    connection: AsyncConnection, index: SearchIndex, conversation_id: str, new: list[Utterance]
) -> dict[tuple[str, int], int]:
    touched_ms = max(one.ended_ms for one in new)
    seen_ms = conversations.c.touched_ms
    opened = index.insert(conversations).values(id=conversation_id, last_number=0, touched_ms=touched_ms)
    await connection.execute(opened.on_conflict_do_nothing())
    # This locks the row until the commit: numbers become readable in order, and no reader skips one that a slower
    # writer has yet to commit.
    last = (
        await connection.execute(
            update(conversations)
            .where(conversations.c.id == conversation_id)
            .values(touched_ms=case((seen_ms < touched_ms, touched_ms), else_=seen_ms))
            .returning(conversations.c.last_number)
        )
    ).scalar_one()
    numbers = await _held(connection, new)
    late = await _late(connection, conversation_id, new)
    rows = []
    for one in new:
        key = (one.session_id, one.utterance)
        if key in numbers:
            continue
        if one.ended_ms <= late.get(one.session_id, 0):
            numbers[key] = 0
            continue
        last += 1
        numbers[key] = last
        rows.append(_row(one, last))
    if rows:
        await connection.execute(insert(utterances), rows)
        await connection.execute(
            update(conversations).where(conversations.c.id == conversation_id).values(last_number=last)
        )
    return numbers


async def _held(connection: AsyncConnection, new: Sequence[Utterance]) -> dict[tuple[str, int], int]:
    found = await connection.execute(
        select(utterances.c.session_id, utterances.c.utterance, utterances.c.number).where(
            tuple_(utterances.c.session_id, utterances.c.utterance).in_(
                [(one.session_id, one.utterance) for one in new]
            )
        )
    )
    return {(row.session_id, row.utterance): row.number for row in found}


async def _late(connection: AsyncConnection, conversation_id: str, new: Sequence[Utterance]) -> dict[str, int]:
    """Return the time at which each session or this conversation was deleted, whichever is later."""
    sessions = {one.session_id for one in new}
    found = await connection.execute(
        select(deleted).where(
            or_(
                and_(deleted.c.kind == "conversation", deleted.c.id == conversation_id),
                and_(deleted.c.kind == "transcript", deleted.c.id.in_(sessions)),
            )
        )
    )
    moments: dict[str, int] = {}
    for row in found:
        for session in sessions if row.kind == "conversation" else {row.id}:
            moments[session] = max(moments.get(session, 0), row.deleted_ms)
    return moments


def _row(one: Utterance, number: int) -> dict[str, Any]:
    words = msgspec.json.encode(one.words).decode()
    return {"number": number, "words": words, **{column.name: getattr(one, column.name) for column in _PLAIN}}


def _storable(one: Utterance) -> Utterance:
    # Clients choose the names of conversations and speakers freely.
    return msgspec.structs.replace(
        one,
        conversation_id=kept_text(one.conversation_id),
        speaker=kept_name(one.speaker),
        text=kept_text(one.text),
        words=[msgspec.structs.replace(word, word=kept_text(word.word)) for word in one.words],
    )


async def read(
    connection: AsyncConnection, conversation_id: str, after: int, since_ms: float | None, limit: int
) -> list[NumberedUtterance]:
    """Return utterances numbered above ``after`` that ended at or after ``since_ms``, by number, without words."""
    query = select(utterances.c.number, *_PLAIN).where(
        utterances.c.conversation_id == conversation_id, utterances.c.number > after
    )
    if since_ms is not None:
        query = query.where(utterances.c.ended_ms >= int(since_ms))
    rows = await connection.execute(query.order_by(utterances.c.number).limit(limit))
    return [NumberedUtterance(row.number, _utterance(row)) for row in rows]


async def read_session(connection: AsyncConnection, session_id: str) -> list[Utterance]:
    """Return all utterances of one session, in order."""
    query = select(utterances).where(utterances.c.session_id == session_id).order_by(utterances.c.utterance)
    return [_utterance(row, _decode_words(row.words)) for row in await connection.execute(query)]


def _utterance(row: Row[Any], words: Sequence[SpokenWord] = ()) -> Utterance:
    return Utterance(words=list(words), **{column.name: getattr(row, column.name) for column in _PLAIN})


async def remove(connection: AsyncConnection, conversation_id: str) -> int:
    """Remove a conversation's utterances and return how many there were.

    Its numbering continues, for readers that are still following it.
    """
    return (
        await connection.execute(delete(utterances).where(utterances.c.conversation_id == conversation_id))
    ).rowcount


async def purge(connection: AsyncConnection, now_ms: int, forgotten_ms: int) -> int:
    """Remove expired utterances, and empty conversations not written to since ``forgotten_ms``.

    Returns the number of utterances removed.
    """
    gone = await connection.execute(delete(utterances).where(utterances.c.expires_ms <= now_ms))
    empty = ~exists(select(1).where(utterances.c.conversation_id == conversations.c.id))
    await connection.execute(delete(conversations).where(conversations.c.touched_ms < forgotten_ms, empty))
    return gone.rowcount
