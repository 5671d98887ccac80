"""What the transcript store's tests put into it."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from stt_gateway.store.interface import Kind, Page, State, StoredUtterance, Transcript
from stt_shared.contracts.conversation import CompactWord, Utterance
from stt_shared.contracts.jobs import AudioTrack, JobSegment, JobWarning, JobWord, TimeSpan
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys

about_sqlite = pytest.mark.parametrize("empty", ["sqlite"], indirect=True)
about_postgresql = pytest.mark.parametrize("empty", ["postgresql"], indirect=True)

NOW_MS = 1_800_000_000_000


def transcript(number: int = 1, **fields: object) -> Transcript:
    values = {
        "id": f"job{number}",
        "kind": Kind.JOB,
        "state": State.COMPLETED,
        "created_ms": NOW_MS + number * 1000,
        "filename": f"file{number}.wav",
        "text": f"number {number}",
        "language": "en",
    }
    return Transcript(**{**values, **fields})  # type: ignore[arg-type]


def utterance(number: int = 1, session: str = "s", conversation: str = "c", **fields: object) -> StoredUtterance:
    values = {
        "conversation_id": conversation,
        "session_id": session,
        "instance": "",
        "utterance": number,
        "speaker": "Ann",
        "text": f"{session} {number}",
        "language": "en",
        "spoken_ms": NOW_MS + number * 1000,
        "start_ms": number * 1000,
        "end_ms": number * 1000 + 900,
        "confidence": 0.0,
    }
    return StoredUtterance(**{**values, **fields})  # type: ignore[arg-type]


def said(
    number: int,
    *,
    store: bool = True,
    conversation: str | None = None,
    instance: str = "i1",
    text: str = "",
    words: Sequence[CompactWord] = (),
) -> Utterance:
    """What the session ``talk`` said, as it waits for the store."""
    return Utterance(
        conversation_id=conversation,
        session_id="talk",
        instance=instance,
        utterance=number,
        speaker="Ann",
        text=text or f"words {number}",
        language="en",
        confidence=0.9,
        spoken_ms=int(wall_ms()),
        start_ms=number * 1000,
        end_ms=number * 1000 + 800,
        store=store,
        words=list(words),
    )


async def all_stored(client: Redis) -> bool:
    """Whether nothing waits for the store any more."""
    return await client.xlen(keys.TRANSCRIPTS_WAITING) + await client.xlen(keys.JOBS_ENDED) == 0


def ids(page: Page) -> list[str]:
    return [found.summary.id for found in page.found]


FULL = transcript(
    title="",
    filename="Gespräch Müller.mp3",
    text="Guten Tag. Wie geht's?",
    language="de",
    duration_s=3.25,
    model="base",
    segments=[JobSegment(0, 0.0, 1.5, "Guten Tag.", 0.9, [JobWord("Guten", 0.0, 0.7, 0.8)])],
    unrecognized=[TimeSpan(1.75, 2.5)],
    track=AudioTrack(2, 3, "deu", "Mikrofon"),
    warnings=[JobWarning("damaged", "the file is damaged after 2.5 s", 2.5, 3.25), JobWarning("time_jump", "odd")],
    conversation_id="c1",
    content_key="sha:options",
    expires_ms=NOW_MS + 10**9,
)
