"""Writer of settled utterances, and of speech without a text, from Redis to the transcript store, and of the
transcripts that they add up to."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog
from msgspec import UNSET

from stt_gateway.core.requests.principal import reach_of
from stt_gateway.store.interface import Kind, State, StoredUtterance, TenantStore, Transcript, TranscriptStore
from stt_gateway.store.names import stored_id
from stt_gateway.store.queue_consumer import GROUP, QueueConsumer, until_stored
from stt_shared.contracts.conversation import (
    SpeakersTold,
    UnrecognizedSpeech,
    Utterance,
    speakers_told_from,
    unrecognized_from,
    utterance_from,
)
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.jobs import JobSegment, JobWord, TimeSpan
from stt_shared.contracts.segments import divided, words_of
from stt_shared.contracts.text import join_texts
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.work.queue import WorkItem, WorkQueue

_log = structlog.get_logger()

_Entry = Utterance | UnrecognizedSpeech | SpeakersTold
_Kept = tuple[list[StoredUtterance], list[TimeSpan], dict[int, RevisedUtterance]]

REST_SHARE = 20
"""Pause between two writes of a session's transcript, as a multiple of the time that the last write took.

The whole, growing transcript is written each time; utterances that arrive during the pause are written together.
"""


@dataclass
class _Growing:
    """A live session whose transcript is written as it grows. ``entries`` remain pending until they are written."""

    newest: _Entry
    entries: list[WorkItem] = field(default_factory=list)
    due_s: float = 0.0


class UtteranceWriter:
    """Writer of utterances. ``expires_ms`` returns when what is stored now expires, None for never.

    ``write_job`` stores a job's transcript and returns False if the job has not ended. Earlier versions announced jobs
    in this queue, shortly before they ended; an entry of such a job is delivered again until it has.
    """

    def __init__(
        self,
        bus: Bus,
        store: TranscriptStore,
        replica_id: str,
        expires_ms: Callable[[], int | None],
        write_job: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._store = store
        self._expires_ms = expires_ms
        self._write_job = write_job
        self._queue = WorkQueue(bus, keys.TRANSCRIPTS_WAITING, GROUP, replica_id)
        self._consumer = QueueConsumer(self._queue, _parse, self._write_entry, self._write_due)
        self._growing: dict[tuple[str, str], _Growing] = {}

    async def run(self) -> None:
        """Write until cancelled."""
        await self._consumer.run()

    async def _write_entry(self, item: WorkItem, entry: _Entry | str) -> bool:
        if isinstance(entry, str):
            has_ended = await self._write_job(entry)
            if not has_ended:
                self._queue.release_entry(item)
            return has_ended
        session = stored_id(entry.session_id, entry.instance)
        await until_stored(lambda: self._append(session, entry))
        if isinstance(entry, Utterance | SpeakersTold) and not entry.store:
            return True
        growing = self._growing.setdefault((entry.maker.tenant, session), _Growing(entry))
        growing.newest = entry
        growing.entries.append(item)
        return False

    async def _append(self, session: str, entry: _Entry) -> None:
        if isinstance(entry, Utterance):
            await self._part(entry).append([_stored(entry, session, self._expires_ms())])
        elif isinstance(entry, SpeakersTold):
            await self._part(entry).append_speakers(session, entry, self._expires_ms())
        else:
            await self._part(entry).append_unrecognized(session, entry, self._expires_ms())

    async def _write_due(self) -> float:
        """Write the transcripts that are due; return when the next one is."""
        clock = asyncio.get_running_loop().time
        for (tenant, session), growing in list(self._growing.items()):
            if clock() < growing.due_s:
                continue
            if not growing.entries:
                del self._growing[tenant, session]
                continue
            entries, growing.entries = growing.entries, []
            try:
                took_s = await self._write_transcript(session, growing.newest)
            except Exception:
                # One transcript's failure must not keep the others waiting; its entries stay pending and are retried.
                _log.exception("transcript not stored")
                for item in entries:
                    self._queue.release_entry(item)
                continue
            growing.due_s = clock() + REST_SHARE * took_s
            for item in entries:
                await self._queue.done(item, delete=True)
        return min((growing.due_s for growing in self._growing.values()), default=float("inf"))

    async def _write_transcript(self, session: str, newest: _Entry) -> float:
        """Write a session's transcript; return the seconds it took, without time spent waiting for the database."""
        clock, store = asyncio.get_running_loop().time, self._part(newest)

        async def write() -> float:
            began = clock()
            known = await _read(store, session)
            while known[0]:  # no utterances if none was recognised yet, or if deleted meanwhile
                await store.put(_live_transcript(session, newest, *known, self._expires_ms()))
                read, known = known, await _read(store, session)
                # Several gateways write; one that had read less may have written last.
                if read == known:
                    break
            return clock() - began

        return await until_stored(write)

    def _part(self, entry: _Entry) -> TenantStore:
        return self._store.of(reach_of(entry.maker))


async def _read(store: TenantStore, session: str) -> _Kept:
    return (
        await store.session_utterances(session),
        await store.session_unrecognized(session),
        await store.session_speakers(session),
    )


def _stored(utterance: Utterance, session: str, expires_ms: int | None) -> StoredUtterance:
    fields = msgspec.structs.asdict(utterance)
    # Whom a voice belongs to may be told differently later: it is read from where the newest account is.
    speaker = None if utterance.is_voice else utterance.speaker
    changed = {"session_id": session, "instance": "", "speaker": speaker}
    return StoredUtterance(**{**fields, **changed}, expires_ms=expires_ms)


def _parse(fields: Mapping[bytes, bytes]) -> _Entry | str:
    """Parse an entry: an utterance, speech without a text, speakers, or the id of a job.

    Raises KeyError, ValueError or msgspec.DecodeError.
    """
    kind, body = fields[b"kind"], fields[b"body"]
    if kind == b"utterance":
        return utterance_from(body)
    if kind == b"unrecognized":
        return unrecognized_from(body)
    if kind == b"speakers":
        return speakers_told_from(body)
    if kind == b"job":
        return body.decode()
    raise ValueError(f"of a kind that this version does not know: {kind!r}")


def _live_transcript(
    session: str,
    newest: _Entry,
    utterances: Sequence[StoredUtterance],
    unrecognized: list[TimeSpan],
    told: Mapping[int, RevisedUtterance],
    expires_ms: int | None,
) -> Transcript:
    # As in files: their numbers are in the order of the ends, which differs where channels are kept apart.
    spoken = sorted(utterances, key=lambda one: one.start_ms)
    return Transcript(
        id=session,
        kind=Kind.LIVE,
        state=State.COMPLETED,
        created_ms=min(one.spoken_ms for one in utterances),
        title=newest.session_id,
        duration_s=max([one.end_ms / 1000 for one in utterances] + [span.end for span in unrecognized]),
        language=utterances[-1].language,
        conversation_id=newest.conversation_id or "",
        text=join_texts(one.text for one in spoken),
        segments=[
            msgspec.structs.replace(segment, id=at)
            for at, segment in enumerate(part for one in spoken for part in _segments(one, told.get(one.utterance)))
        ],
        unrecognized=unrecognized,
        expires_ms=expires_ms,
    )


def _segments(one: StoredUtterance, told: RevisedUtterance | None) -> list[JobSegment]:
    """Return the segment of an utterance, divided where the speaker changes."""
    channel = None if one.channel is UNSET else one.channel
    words = [
        JobWord(word.word, word.start_ms / 1000, word.end_ms / 1000, word.confidence, channel) for word in one.words
    ]
    segment = JobSegment(0, one.start_ms / 1000, one.end_ms / 1000, one.text, one.confidence, words, channel)
    if told is None:
        return [segment]
    speakers = [told.speaker or ""] * len(words_of(segment))
    for turn in told.turns if words else ():
        speakers[turn.word :] = [turn.speaker or ""] * (len(words) - turn.word)
    return divided(segment, speakers)
