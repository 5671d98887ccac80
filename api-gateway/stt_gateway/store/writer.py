"""Writer of utterances and job results from Redis to the transcript store.

Delivery is at least once and writes are idempotent, so any gateway may die at any moment.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import structlog

from stt_gateway.store.interface import Kind, State, Transcript, TranscriptStore, Utterance
from stt_gateway.store.names import stored_id
from stt_shared.contracts.conversation import Utterance as Said
from stt_shared.contracts.conversation import utterance_from
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobConfig, JobResult, JobSegment, JobWord
from stt_shared.contracts.text import join_texts
from stt_shared.process.clock import wall_ms
from stt_shared.redis.client import BLOCK_MS
from stt_shared.redis.outage import REDIS_ERRORS
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.work.queue import WorkQueue
from stt_shared.work.stage import WorkItem

_log = structlog.get_logger()

T = TypeVar("T")

GROUP = "store"
AT_ONCE = 32
RETRY_S = 0.5
JOB_PATIENCE_S = 10.0
"""Time that a job announced as ending may take to end; if its worker died first, the job is announced again."""
REST_SHARE = 20
"""Pause between two writes of a session's transcript, as a multiple of the time that the last write took.

The whole, growing transcript is written each time; utterances that arrive during the pause are written together.
"""
DAY_MS = 24 * 3600 * 1000
PURGE_EVERY_S = 60.0


@dataclass
class _Growing:
    """A live session whose transcript is written as it grows. ``entries`` remain pending until they are written."""

    newest: Said
    entries: list[WorkItem] = field(default_factory=list)
    due_s: float = 0.0


_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_result = msgspec.json.Decoder(JobResult).decode


class StoreWriter:
    """Store writer of one gateway. ``retention_days`` 0 means forever."""

    def __init__(self, bus: Bus, store: TranscriptStore, replica_id: str, retention_days: float) -> None:
        self._bus = bus
        self._store = store
        self._queue = WorkQueue(bus, keys.TRANSCRIPTS_WAITING, GROUP, replica_id)
        self._retention_ms = retention_days * DAY_MS
        self._growing: dict[str, _Growing] = {}
        self._next_look_s = 0.0

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            try:
                await self._queue.open()
                while True:
                    for item in await self._next():
                        await self._take(item)
                    await self._write_due()
            except REDIS_ERRORS as error:
                _log.warning("redis failed, retrying", cause=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:
                # Nobody takes over its pending entries while this gateway lives, so it must continue.
                _log.exception("store writer failed")
                await asyncio.sleep(RETRY_S)

    async def purge(self) -> None:
        """Remove expired data every minute until cancelled."""
        while True:
            await asyncio.sleep(PURGE_EVERY_S)
            try:
                await self._store.purge_expired(wall_ms())
            except SttError as error:
                _log.warning("expired transcripts not removed", cause=error.message)

    async def _next(self) -> list[WorkItem]:
        clock = asyncio.get_running_loop().time
        due_s = min((growing.due_s for growing in self._growing.values()), default=float("inf"))
        # 0 would wait forever.
        items = await self._queue.take(AT_ONCE, round(max(1.0, min(BLOCK_MS, (due_s - clock()) * 1000))))
        if clock() >= self._next_look_s:
            self._next_look_s = clock() + self._queue.next_scan_s()
            items += await self._queue.adopt(AT_ONCE)
        return items

    async def _take(self, item: WorkItem) -> None:
        try:
            told = _read(item.fields)
        except (msgspec.DecodeError, KeyError, ValueError) as error:
            _log.error("entry dropped: cannot be parsed", cause=str(error))
            await self._queue.done(item, delete=True)
            return
        try:
            if isinstance(told, Said):
                await self._keep_utterance(told)
            else:
                await self._keep_job(told)
        except REDIS_ERRORS:
            raise
        except Exception:
            # Any failure of one entry is caught here so that the others need not wait; it stays pending and is retried.
            _log.exception("entry not stored")
            self._queue.release_entry(item)
            return
        if isinstance(told, Said) and told.store:
            growing = self._growing.setdefault(stored_session_id(told), _Growing(told))
            growing.newest = told
            growing.entries.append(item)
        else:
            await self._queue.done(item, delete=True)

    async def _write_due(self) -> None:
        clock = asyncio.get_running_loop().time
        for session, growing in list(self._growing.items()):
            if clock() < growing.due_s:
                continue
            if not growing.entries:
                del self._growing[session]
                continue
            entries, growing.entries = growing.entries, []
            try:
                took_s = await self._write_transcript(session, growing.newest)
            except Exception:
                # See `_take`.
                _log.exception("transcript not stored")
                for item in entries:
                    self._queue.release_entry(item)
                continue
            growing.due_s = clock() + REST_SHARE * took_s
            for item in entries:
                await self._queue.done(item, delete=True)

    async def _write_transcript(self, session: str, newest: Said) -> float:
        """Write a session's transcript; return the seconds it took, without time spent waiting for the database."""
        clock = asyncio.get_running_loop().time

        async def write() -> float:
            began = clock()
            utterances = await self._store.session_utterances(session)
            while utterances:  # none if deleted meanwhile
                await self._store.put(_live_transcript(session, newest, utterances, self._expires_ms))
                known, utterances = len(utterances), await self._store.session_utterances(session)
                # Several gateways write; one that had read fewer utterances may have written last.
                if len(utterances) == known:
                    break
            return clock() - began

        return await self._patiently(write)

    async def _patiently(self, write: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await write()
            except SttError as error:
                # The database is unavailable; pending entries are not lost, here or in another gateway.
                _log.warning("transcript not stored, retrying", cause=error.message)
                await asyncio.sleep(RETRY_S)

    @property
    def _expires_ms(self) -> int | None:
        return round(wall_ms() + self._retention_ms) if self._retention_ms else None

    async def _keep_utterance(self, said: Said) -> None:
        session = stored_session_id(said)
        utterance = Utterance(
            conversation_id=said.conversation_id or session,
            session_id=session,
            utterance=said.utterance,
            speaker=said.speaker or "",
            text=said.text,
            language=said.language,
            started_ms=said.spoken_ms,
            ended_ms=said.spoken_ms + said.end_ms - said.start_ms,
            start_ms=said.start_ms,
            end_ms=said.end_ms,
            confidence=said.confidence,
            words=said.words,
            expires_ms=self._expires_ms,
        )
        await self._patiently(lambda: self._store.append([utterance]))

    async def _keep_job(self, job_id: str) -> None:
        waited_s = 0.0
        while True:
            fields = await self._bus.sessions.all_fields(keys.job_keys(job_id))
            status = fields.get(b"status", b"").decode()
            if not fields or status == State.CANCELLED:
                return
            if status == State.COMPLETED:
                break
            if status == State.FAILED or waited_s >= JOB_PATIENCE_S:
                return
            await asyncio.sleep(0.1)
            waited_s += 0.1
        config, result = _decode_config(fields[b"config"]), _decode_result(fields[b"result"])
        transcript = Transcript(
            id=job_id,
            kind=Kind.JOB,
            state=State.COMPLETED,
            created_ms=int(float(fields[b"created_ms"])),
            title=config.filename,
            filename=config.filename,
            duration_s=result.duration,
            language=result.language,
            model=config.model,
            task=config.task,
            text=result.text,
            segments=result.segments,
            content_key=config.content_key,
            expires_ms=self._expires_ms,
        )
        await self._patiently(lambda: self._store.put(transcript))


def stored_session_id(said: Said) -> str:
    """Return the id under which the utterance's session is stored; session ids may be reused, stored ids are not."""
    return stored_id(said.session_id, said.instance)


def _read(fields: Mapping[bytes, bytes]) -> Said | str:
    """Parse an entry: an utterance, or the id of a job. Raises KeyError, ValueError or msgspec.DecodeError."""
    kind, body = fields[b"kind"], fields[b"body"]
    if kind == b"utterance":
        return utterance_from(body)
    if kind == b"job":
        return body.decode()
    raise ValueError(f"of a kind that this version does not know: {kind!r}")


def _live_transcript(session: str, newest: Said, utterances: Sequence[Utterance], expires_ms: int | None) -> Transcript:
    return Transcript(
        id=session,
        kind=Kind.LIVE,
        state=State.COMPLETED,
        created_ms=min(one.started_ms for one in utterances),
        title=newest.session_id,
        duration_s=max(one.end_ms for one in utterances) / 1000,
        language=utterances[-1].language,
        conversation_id=newest.conversation_id or "",
        text=join_texts(one.text for one in utterances),
        segments=[_segment(at, one) for at, one in enumerate(utterances)],
        expires_ms=expires_ms,
    )


def _segment(number: int, one: Utterance) -> JobSegment:
    words = [JobWord(word.word, word.start_ms / 1000, word.end_ms / 1000, word.confidence) for word in one.words]
    return JobSegment(number, one.start_ms / 1000, one.end_ms / 1000, one.text, one.confidence, words)
