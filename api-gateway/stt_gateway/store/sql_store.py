"""The transcript store on a SQL database, SQLite or PostgreSQL."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import msgspec
from sqlalchemy import URL, ColumnElement, Row, and_, case, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from stt_gateway.core.requests.principal import Reach
from stt_gateway.store import conversations, earlier_versions, unrecognized, utterance_speakers
from stt_gateway.store.editing import changed_columns, kept_columns
from stt_gateway.store.engine import LOCK_WAIT_S, close_engine, is_sqlite, open_engine, read_transaction, writing
from stt_gateway.store.failures import as_stt_error
from stt_gateway.store.folding import fold, fold_name
from stt_gateway.store.interface import (
    MAX_PAGE,
    MAX_UTTERANCES,
    NumberedUtterance,
    Page,
    Search,
    State,
    StoredUtterance,
    Summary,
    Transcript,
    TranscriptEdit,
    Version,
)
from stt_gateway.store.names import kept_text
from stt_gateway.store.postgres_search import PostgresSearch
from stt_gateway.store.retention import own_expiries, own_expiry
from stt_gateway.store.rows import LISTED, found, listed, names_of, stored, whole
from stt_gateway.store.schema import deleted, place_of, texts, transcripts, utterances
from stt_gateway.store.search_index import FoldedRow, SearchIndex, places, within
from stt_gateway.store.search_limit import SEARCH_S, SearchLimit
from stt_gateway.store.sqlite_search import SqliteSearch
from stt_gateway.store.tenant_deletions import LEFT
from stt_shared.contracts.conversation import SpeakersTold, UnrecognizedSpeech
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.jobs import JobSegment, TimeSpan

REMEMBERED_MS = 7 * 24 * 3600 * 1000
"""Period for which late copies of deleted data are rejected."""
_PURGED_AT_ONCE = 200
_ATTEMPTS = 16
_LONG_CHARS = 20_000
_ENDS = (State.COMPLETED, State.FAILED, State.CANCELLED)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class _Remnants:
    """Whether the database's files may hold traces of what was deleted; unknown of deletions before this start."""

    found: bool = True


class SqlTranscriptStore:
    """``TranscriptStore`` on a SQL database, and the ``TenantStore`` of one reach; the tables must exist (``migrate``).

    Opened, it is that of ``reach``; ``of`` returns others on the same connections.
    """

    def __init__(self, url: URL, reach: Reach, *, pool_size: int = 5) -> None:
        self._reach = reach
        self._engine: AsyncEngine = open_engine(url, pool_size=pool_size)
        self._index: SearchIndex = SqliteSearch() if is_sqlite(url) else PostgresSearch()
        self._search_limit = SearchLimit()
        # SQLite lets one transaction write at a time; those that wait try again by chance, and one may starve.
        self._writing = asyncio.Lock() if is_sqlite(url) else None
        self._remnants = _Remnants()

    def of(self, reach: Reach) -> "SqlTranscriptStore":
        """Return the part of the store that ``reach`` covers."""
        part = copy.copy(self)
        part._reach = reach
        return part

    async def put(self, transcript: Transcript) -> bool:
        """Insert the transcript, or update everything except creation time, maker and what ``edit`` changed."""
        row = {**stored(transcript), "tenant": self._tenant, "key_id": self._reach.key_id or ""}
        folded = await _off_loop_if_long(len(row["text"]), fold, row["text"])
        for attempt in range(_ATTEMPTS):
            place = place_of(transcript.created_ms, transcript.id, attempt)
            try:
                async with self._write() as connection:
                    return await self._put(connection, {**row, "place": place}, folded, transcript.segments)
            except IntegrityError:
                # Another transcript of the same millisecond has this place: once in a million such pairs.
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def _put(
        self, connection: AsyncConnection, row: dict[str, Any], folded: str, segments: list[JobSegment]
    ) -> bool:
        row["expires_ms"] = await own_expiry(connection, row["tenant"], row["expires_ms"])
        new = self._index.insert(transcripts).values(row)
        lasting = ("place", "id", "created_ms", "title", "tenant", "key_id")
        changed: dict[str, Any] = {name: new.excluded[name] for name in row if name not in lasting}
        # A title that somebody set survives the next write.
        own = transcripts.c.title
        changed["title"] = case((own == transcripts.c.filename, new.excluded["title"]), else_=own)
        ends = or_(transcripts.c.state.not_in(_ENDS), new.excluded["state"].in_(_ENDS))
        same = transcripts.c.tenant == new.excluded["tenant"]
        written = (
            await connection.execute(
                new.on_conflict_do_update(index_elements=["id"], set_=changed, where=and_(same, ends)).returning(
                    *LISTED, transcripts.c.speaker_edits, transcripts.c.text_edits
                )
            )
        ).first()
        # Checked after the insert: an earlier deletion is visible here, a later one waits and removes the row.
        gone_ms = await connection.scalar(
            select(deleted.c.deleted_ms).where(
                deleted.c.tenant == row["tenant"], deleted.c.kind == "transcript", deleted.c.id == row["id"]
            )
        )
        if written is None or (gone_ms is not None and row["created_ms"] <= gone_ms):
            await connection.rollback()
            return False
        if kept := await _off_loop_if_long(len(folded), kept_columns, written, segments):
            again = update(transcripts).where(transcripts.c.place == written.place).values(kept).returning(*LISTED)
            written = (await connection.execute(again)).one()
            if "text" in kept:
                folded = await _off_loop_if_long(len(kept["text"]), fold, kept["text"])
        await self._update_index(
            connection, await _off_loop_if_long(len(folded), self._index.rows, written.place, names_of(written), folded)
        )
        return True

    @property
    def _within(self) -> list[ColumnElement[bool]]:
        return within(self._reach)

    async def get(self, id: str) -> Transcript | None:
        """Return one transcript, or None."""
        return await self._one(transcripts.c.id == id)

    async def count(self, *, without: Collection[str] = ()) -> int:
        """Return how many transcripts there are, ``without`` those with these ids."""
        query = select(func.count()).select_from(transcripts).where(*self._within)
        async with read_transaction(self._engine) as connection:
            return await connection.scalar(query.where(transcripts.c.id.not_in(without)) if without else query) or 0

    async def find_by_content(self, content_key: str) -> Transcript | None:
        """Return the newest completed transcript of the same bytes with the same options."""
        if not content_key:
            return None
        return await self._one(transcripts.c.content_key == content_key, transcripts.c.state == State.COMPLETED)

    async def _one(self, *conditions: Any) -> Transcript | None:
        async with read_transaction(self._engine) as connection:
            query = select(transcripts).where(*self._within, *conditions).order_by(transcripts.c.place.desc()).limit(1)
            row = (await connection.execute(query)).first()
        return None if row is None else whole(row)

    async def search(self, wanted: Search) -> Page:
        """Return the matching transcripts, newest first."""
        if not 1 <= wanted.limit <= MAX_PAGE:
            raise ValueError(f"limit is {wanted.limit}; allowed are 1 to {MAX_PAGE}")
        phrase, name = fold(wanted.query), fold_name(wanted.filename)
        if (wanted.query and not phrase) or (wanted.filename and not name):
            # It has only characters that are not indexed.
            return Page([], None)
        columns = [*LISTED, transcripts.c.text] if phrase else LISTED
        with self._search_limit.counted():
            return await self._matching(wanted, columns, name, phrase)

    async def _matching(self, wanted: Search, columns: Sequence[Any], name: str, phrase: str) -> Page:
        async with read_transaction(self._engine) as connection, self._index.limited(connection, SEARCH_S):
            matched = list((await connection.execute(places(self._index, self._reach, wanted, name, phrase))).scalars())
            shown = matched[: wanted.limit]
            query = (
                select(*columns)
                .where(*self._within, transcripts.c.place.in_(shown))
                .order_by(transcripts.c.place.desc())
            )
            newest = query.order_by(transcripts.c.place.desc())
            rows = (await connection.execute(newest)).all() if shown else []
        more = len(matched) > wanted.limit
        length = sum(len(row.text) for row in rows) if phrase else 0
        results = await _off_loop_if_long(length, lambda: [found(row, wanted) for row in rows])
        return Page(results, shown[-1] if more else None)

    async def edit(self, id: str, edit: TranscriptEdit, now_ms: float) -> Summary | None:
        """Change the title, the texts and the speakers, all or nothing, and count the revision up."""
        columns = [*LISTED, transcripts.c.segments, transcripts.c.speaker_edits, transcripts.c.text_edits]
        query = select(*columns).where(*self._within, transcripts.c.id == id).with_for_update()
        async with self._write() as connection:
            row: Row[Any] | None = (await connection.execute(query)).first()
            if row is None:
                return None
            version = None if edit.restore is None else await earlier_versions.read(connection, row, edit.restore)
            length = len(row.segments) + len(row.text_edits) + sum(len(one.text) for one in edit.texts)
            values = await _off_loop_if_long(length, changed_columns, row, edit, version)
            if values:
                await earlier_versions.keep(connection, row, now_ms)
                after = update(transcripts).where(transcripts.c.place == row.place).values(values).returning(*LISTED)
                row = (await connection.execute(after)).one()
                await self._index_edited(connection, row, values.get("text"))
        return Summary(**listed(row))

    async def _index_edited(self, connection: AsyncConnection, row: Row[Any], text: str | None) -> None:
        folded = None if text is None else await _off_loop_if_long(len(text), fold, text)
        rows = await _off_loop_if_long(len(text or ""), self._index.rows, row.place, names_of(row), folded)
        await self._update_index(connection, rows)

    async def versions(self, id: str) -> list[Version]:
        """Return the earlier versions of a transcript, newest first."""
        query = select(transcripts.c.place).where(*self._within, transcripts.c.id == id)
        async with read_transaction(self._engine) as connection:
            place = await connection.scalar(query)
            return [] if place is None else await earlier_versions.listed(connection, place)

    async def delete(self, id: str, now_ms: float, *, may_come: bool = False) -> bool:
        """Remove the transcript and the utterances of its session."""
        async with self._write() as connection:
            gone = await connection.execute(delete(transcripts).where(*self._within, transcripts.c.id == id))
            found = bool(gone.rowcount)
            # Utterances are the tenant's: whoever reaches only what one key has made needs the transcript to that.
            if found or self._reach.key_id is None:
                spoken = await connection.execute(
                    delete(utterances).where(utterances.c.tenant == self._tenant, utterances.c.session_id == id)
                )
                await unrecognized.remove(connection, self._tenant, id)
                await utterance_speakers.remove(connection, self._tenant, id)
                found = found or bool(spoken.rowcount)
            if found or may_come:
                await self._record_deletion(connection, "transcript", id, now_ms)
        self._remnants.found = self._remnants.found or found
        return found

    async def append(self, utterances: Sequence[StoredUtterance]) -> list[int]:
        """Store the utterances and return their numbers; one already stored keeps its number and text."""
        if not utterances:
            return []
        async with self._write() as connection:
            expiries = await own_expiries(connection, self._tenant, [one.expires_ms for one in utterances])
            kept = [
                msgspec.structs.replace(one, expires_ms=expires_ms)
                for one, expires_ms in zip(utterances, expiries, strict=True)
            ]
            return await conversations.append(connection, self._index, self._tenant, kept)

    async def conversation(
        self, conversation_id: str, *, after: int = 0, since_ms: float | None = None, limit: int = MAX_UTTERANCES
    ) -> list[NumberedUtterance]:
        """Return utterances numbered above ``after`` that ended at or after ``since_ms``, by number."""
        async with read_transaction(self._engine) as connection:
            return await conversations.read(
                connection, self._tenant, kept_text(conversation_id), after, since_ms, min(limit, MAX_UTTERANCES)
            )

    async def session_utterances(self, session_id: str) -> list[StoredUtterance]:
        """Return all utterances of one session, in order."""
        async with read_transaction(self._engine) as connection:
            return await conversations.read_session(connection, self._tenant, session_id)

    async def append_unrecognized(self, session_id: str, speech: UnrecognizedSpeech, expires_ms: int | None) -> None:
        """Store speech of a session without a text."""
        async with self._write() as connection:
            expires_ms = await own_expiry(connection, self._tenant, expires_ms)
            await unrecognized.append(connection, self._index, self._tenant, session_id, speech, expires_ms)

    async def session_unrecognized(self, session_id: str) -> list[TimeSpan]:
        """Return all such speech of one session, in order."""
        async with read_transaction(self._engine) as connection:
            return await unrecognized.read(connection, self._tenant, session_id)

    async def append_speakers(self, session_id: str, told: SpeakersTold, expires_ms: int | None) -> None:
        """Store the speakers of utterances of a session."""
        async with self._write() as connection:
            expires_ms = await own_expiry(connection, self._tenant, expires_ms)
            await utterance_speakers.append(connection, self._index, self._tenant, session_id, told, expires_ms)

    async def session_speakers(self, session_id: str) -> dict[int, RevisedUtterance]:
        """Return the speakers of one session's utterances, by their numbers."""
        async with read_transaction(self._engine) as connection:
            return await utterance_speakers.read(connection, self._tenant, session_id)

    async def delete_conversation(self, conversation_id: str, now_ms: float) -> bool:
        """Remove all utterances of a conversation."""
        conversation_id = kept_text(conversation_id)
        async with self._write() as connection:
            await utterance_speakers.remove_conversation(connection, self._tenant, conversation_id)
            if not await conversations.remove(connection, self._tenant, conversation_id):
                return False
            await self._record_deletion(connection, "conversation", conversation_id, now_ms)
        return True

    async def purge_expired(self, now_ms: float) -> int:
        """Remove expired data and its traces in the database's files."""
        now, removed = int(now_ms), 0
        expired = select(transcripts.c.place).where(transcripts.c.expires_ms <= now).limit(_PURGED_AT_ONCE)
        while True:
            # In batches, so that concurrent writers wait for one batch at most.
            async with self._write() as connection:
                gone = await connection.execute(delete(transcripts).where(transcripts.c.place.in_(expired)))
            removed += gone.rowcount
            if gone.rowcount < _PURGED_AT_ONCE:
                break
        async with self._write() as connection:
            await conversations.purge(connection, now, now - REMEMBERED_MS)
            await unrecognized.purge(connection, now)
            await utterance_speakers.purge(connection, now)
            await connection.execute(
                delete(deleted).where(deleted.c.deleted_ms < now - REMEMBERED_MS, deleted.c.kind != LEFT)
            )
        if removed or self._remnants.found:
            self._remnants.found = False
            try:
                with as_stt_error():
                    await self._index.scrub(self._engine)
            except BaseException:
                self._remnants.found = True
                raise
        return removed

    async def check(self) -> None:
        """Read a row."""
        async with read_transaction(self._engine) as connection:
            await connection.execute(select(transcripts.c.place).limit(1))
            await connection.execute(select(texts.c.place).limit(1))

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)

    @property
    def _tenant(self) -> str:
        return self._reach.tenant

    async def _record_deletion(self, connection: AsyncConnection, kind: str, id: str, now_ms: float) -> None:
        new = self._index.insert(deleted).values(tenant=self._tenant, kind=kind, id=id, deleted_ms=int(now_ms))
        await connection.execute(
            new.on_conflict_do_update(
                index_elements=["tenant", "kind", "id"], set_={"deleted_ms": new.excluded["deleted_ms"]}
            )
        )

    async def _update_index(self, connection: AsyncConnection, rows: Sequence[FoldedRow]) -> None:
        for table, row in rows:
            new = self._index.insert(table).values(row)
            changed = {name: new.excluded[name] for name in row if name != "place"}
            await connection.execute(
                new.on_conflict_do_update(
                    index_elements=["place"], set_=changed, where=table.c.folded != new.excluded["folded"]
                )
            )

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        with as_stt_error():
            async with self._turn_to_write(), writing(self._engine).connect() as connection:
                yield connection
                await connection.commit()

    @asynccontextmanager
    async def _turn_to_write(self) -> AsyncIterator[None]:
        """Raises TimeoutError."""
        if self._writing is None:
            yield
            return
        async with asyncio.timeout(LOCK_WAIT_S):
            await self._writing.acquire()
        try:
            yield
        finally:
            self._writing.release()


async def _off_loop_if_long(length: int, work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    # Live sessions share this event loop, so long texts are processed in a thread.
    if length < _LONG_CHARS:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)
