"""Stored voices of known speakers, in the database of the transcripts. Never any audio."""

import uuid
from dataclasses import dataclass, field

from sqlalchemy import URL, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from stt_gateway.store.engine import (
    close_engine,
    empty_log,
    is_sqlite,
    open_engine,
    read_transaction,
    write_transaction,
)
from stt_gateway.store.failures import as_stt_error
from stt_gateway.store.schema import voices
from stt_shared.contracts.errors import SttError

MAX_VOICES = 500
"""Most known speakers of a tenant: a job reads all of their voices."""


@dataclass(frozen=True)
class KnownSpeaker:
    """A known speaker. ``voice`` is as in ``KnownVoice``; it is not part of the representation, so no log has it."""

    id: str
    name: str
    created_ms: int
    voice: bytes = field(repr=False)


class VoiceStore:
    """Voices on a SQL database; the tables must exist (see ``migrate``).

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, pool_size=2)
        self._is_sqlite = is_sqlite(url)

    async def check_name(self, tenant: str, name: str) -> None:
        """Raise SttError conflict if the tenant cannot have another speaker of this name."""
        speakers = await self.all_of(tenant)
        if any(speaker.name == name for speaker in speakers):
            raise _taken(name)
        if len(speakers) >= MAX_VOICES:
            raise SttError("conflict", f"there are {MAX_VOICES} known speakers, the most that are allowed; delete some")

    async def add(self, tenant: str, name: str, voice: bytes, now_ms: float) -> KnownSpeaker:
        """Store a voice. Raises SttError conflict if the name is taken."""
        speaker = KnownSpeaker(uuid.uuid4().hex, name, int(now_ms), voice)
        row = {"id": speaker.id, "tenant": tenant, "name": name, "created_ms": speaker.created_ms, "voice": voice}
        try:
            async with write_transaction(self._engine) as connection:
                await connection.execute(insert(voices).values(row))
        except IntegrityError:
            raise _taken(name) from None
        return speaker

    async def all_of(self, tenant: str) -> list[KnownSpeaker]:
        """Return all known speakers of a tenant, by their names."""
        columns = [voices.c.id, voices.c.name, voices.c.created_ms, voices.c.voice]
        query = select(*columns).where(voices.c.tenant == tenant).order_by(func.lower(voices.c.name), voices.c.id)
        async with read_transaction(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [KnownSpeaker(row.id, row.name, row.created_ms, bytes(row.voice)) for row in rows]

    async def rename(self, tenant: str, id: str, name: str) -> KnownSpeaker | None:
        """Give a speaker another name; None if there is none. Raises SttError conflict if the name is taken."""
        this = voices.c.tenant == tenant, voices.c.id == id
        try:
            async with write_transaction(self._engine) as connection:
                await connection.execute(update(voices).where(*this).values(name=name))
        except IntegrityError:
            raise _taken(name) from None
        return next((speaker for speaker in await self.all_of(tenant) if speaker.id == id), None)

    async def delete(self, tenant: str, id: str) -> bool:
        """Delete a voice for good, from the database's files too; False means that there is none."""
        async with write_transaction(self._engine) as connection:
            gone = await connection.execute(delete(voices).where(voices.c.tenant == tenant, voices.c.id == id))
        if self._is_sqlite:
            with as_stt_error():
                await empty_log(self._engine)
        return bool(gone.rowcount)

    async def close(self) -> None:
        """Close all connections."""
        await close_engine(self._engine)


def _taken(name: str) -> SttError:
    return SttError("conflict", f"there is a known speaker {name!r}; delete it first, or take another name")
