"""What the store keeps and what it can do. Times ``*_ms`` are wall clock, milliseconds since 1970, unless said."""

import enum
from collections.abc import Sequence
from typing import Protocol

import msgspec

from stt_shared.contracts.conversation import SpokenWord
from stt_shared.contracts.jobs import JobError, JobSegment
from stt_shared.contracts.session import Task

MAX_QUERY_CHARS = 200
MAX_PAGE = 100
"""Most transcripts of one page of a search."""
MAX_UTTERANCES = 1000
"""Most utterances of one read of a conversation."""


class Kind(enum.StrEnum):
    """Where a transcript comes from."""

    JOB = "job"
    LIVE = "live"


class State(enum.StrEnum):
    """How far a transcript is; the last three are the end."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of a transcript. ``id`` is that of the job or the session."""

    id: str
    kind: Kind
    state: State
    created_ms: int
    title: str = ""
    """What people call it; the file's name until somebody renames it."""
    filename: str = ""
    """As it was uploaded."""
    duration_s: float = 0.0
    language: str = ""
    model: str = ""
    task: Task = Task.TRANSCRIBE
    error: JobError | None = None
    conversation_id: str = ""
    expires_ms: int | None = None
    """When retention removes it; None: never."""


class Transcript(Summary, frozen=True, kw_only=True):
    """All of it. ``content_key`` is the same for the same bytes with the same options; empty: answers no upload."""

    text: str = ""
    segments: list[JobSegment] = msgspec.field(default_factory=list)
    content_key: str = ""


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """One settled utterance of a conversation; (session_id, utterance) names it, whatever epoch the session has."""

    conversation_id: str
    session_id: str
    utterance: int
    speaker: str
    text: str
    language: str
    started_ms: int
    ended_ms: int
    start_ms: int
    """Position in the session's audio, as ``end_ms``."""
    end_ms: int
    confidence: float = 0.0
    words: list[SpokenWord] = []
    """Of a session that is kept; ``conversation`` reads none."""
    expires_ms: int | None = None


class NumberedUtterance(msgspec.Struct, frozen=True):
    """An utterance with its number in the conversation: 1, 2, 3 … in the order in which they became readable, so a
    reader who asks for what comes after the last number it has misses nothing. Deleted utterances leave holes."""

    number: int
    utterance: Utterance


class Search(msgspec.Struct, frozen=True):
    """What to look for; all conditions hold together. ``from_ms`` is inside, ``to_ms`` outside the range."""

    query: str = ""
    filename: str = ""
    language: str = ""
    kind: Kind | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    before: int | None = None
    """Only what comes behind this place: the last page's ``Page.next``."""
    limit: int = 20


class Snippet(msgspec.Struct, frozen=True):
    """A piece of the text and the ranges [start, end) of it, in characters (code points), that match."""

    text: str
    hits: list[tuple[int, int]]


class SearchHit(msgspec.Struct, frozen=True):
    """One result of a search. ``title_hits`` and ``filename_hits`` are ranges as in ``Snippet``."""

    summary: Summary
    snippet: Snippet | None = None
    title_hits: list[tuple[int, int]] = []
    filename_hits: list[tuple[int, int]] = []


class Page(msgspec.Struct, frozen=True):
    """Results, newest first; ``next`` is None on the last page."""

    found: list[SearchHit]
    next: int | None


class TranscriptStore(Protocol):
    """All writes may be repeated: the same write again changes nothing. Each is done whole or not at all.

    Every call raises SttError ``unavailable`` while the database is locked, full or gone.
    """

    async def put(self, transcript: Transcript) -> bool:
        """Inserts, or updates all but title and creation time. False: not stored, since it was deleted lately, or
        since a state that is the end would be overwritten by one that is not."""

    async def get(self, id: str) -> Transcript | None:
        """One transcript."""

    async def find_by_content(self, content_key: str) -> Transcript | None:
        """The newest completed transcript of the same bytes with the same options."""

    async def search(self, wanted: Search) -> Page:
        """What matches, newest first."""

    async def rename(self, id: str, title: str) -> Summary | None:
        """Sets the title; SttError bad_config on one that is empty or too long. None: no such transcript."""

    async def delete(self, id: str, now_ms: float, *, may_come: bool = False) -> bool:
        """Removes the transcript and the utterances of its session, and keeps late copies of them out for a week.
        False: no such transcript; ``may_come``: it may be on its way, and is kept out all the same."""

    async def append(self, utterances: Sequence[Utterance]) -> list[int]:
        """Numbers of these utterances, in their order; what is there already keeps its number and text. 0: not stored,
        since its session or conversation was deleted lately."""

    async def conversation(
        self, conversation_id: str, *, after: int = 0, since_ms: float | None = None, limit: int = MAX_UTTERANCES
    ) -> list[NumberedUtterance]:
        """Utterances with a number above ``after`` that ended at or after ``since_ms``, by number."""

    async def session_utterances(self, session_id: str) -> list[Utterance]:
        """All utterances of one session, in their order."""

    async def delete_conversation(self, conversation_id: str, now_ms: float) -> bool:
        """Removes all utterances of a conversation and keeps late copies out for a week; transcripts of its sessions
        stay. False: there were none."""

    async def purge_expired(self, now_ms: float) -> int:
        """Removes what is past its time, and its traces in the database's files; how many transcripts went."""

    async def check(self) -> None:
        """Reads a row; raises as every call does."""

    async def close(self) -> None:
        """Closes all connections."""
