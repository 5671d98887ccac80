"""The store's types and its interface. Times ``*_ms`` are wall clock, milliseconds since 1970, unless noted."""

import enum
from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from stt_gateway.core.requests.principal import Reach
from stt_gateway.core.speakers.changes import SpeakerChanges
from stt_gateway.core.speakers.edits import SpeakerEdits
from stt_gateway.core.texts.edits import GivenText, TextEdit
from stt_shared.contracts.conversation import SpeakersTold, UnrecognizedSpeech, Utterance
from stt_shared.contracts.events import RevisedUtterance
from stt_shared.contracts.jobs import AudioTrack, JobError, JobSegment, JobWarning, TimeSpan
from stt_shared.contracts.session import Task

MAX_QUERY_CHARS = 200
MAX_PAGE = 100
"""Maximum transcripts in one page of a search."""
MAX_UTTERANCES = 1000
"""Maximum utterances in one read of a conversation."""


class Kind(enum.StrEnum):
    """Origin of a transcript."""

    JOB = "job"
    LIVE = "live"


class State(enum.StrEnum):
    """Progress of a transcript; the last three states are terminal."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a transcript that lists show. ``id`` is that of the job or the stored session."""

    id: str
    kind: Kind
    state: State
    created_ms: int
    title: str = ""
    """Display name; the file's name until somebody renames the transcript."""
    filename: str = ""
    """File name at upload."""
    duration_s: float = 0.0
    language: str = ""
    model: str = ""
    task: Task = Task.TRANSCRIBE
    error: JobError | None = None
    conversation_id: str = ""
    expires_ms: int | None = None
    """Time at which retention removes it; None means never."""
    revision: int = 0
    """Number of the changes that people have made to it."""


class Transcript(Summary, frozen=True, kw_only=True):
    """A complete transcript.

    ``content_key`` is the same for the same bytes with the same options. If it is empty, the transcript is not used to
    answer another upload. ``unrecognized``, ``track`` and ``warnings`` are those of ``JobResult``; a live session has
    only the first of them. ``segments`` are as heard, without ``speaker_edits`` and ``text_edits``. Those and
    ``revision`` change with ``TranscriptStore.edit`` alone, and so does ``text``, which is that after ``text_edits``.
    """

    text: str = ""
    segments: list[JobSegment] = msgspec.field(default_factory=list)
    unrecognized: list[TimeSpan] = msgspec.field(default_factory=list)
    track: AudioTrack | None = None
    warnings: list[JobWarning] = msgspec.field(default_factory=list)
    content_key: str = ""
    speaker_edits: SpeakerEdits = SpeakerEdits()
    text_edits: list[TextEdit] = msgspec.field(default_factory=list)


class TranscriptEdit(msgspec.Struct, frozen=True):
    """A change to a transcript. ``title``: in its stored form; None: as it is. ``revision``: the one that the change
    was made for; None: whichever, which ``texts`` do not allow. ``restore``: the earlier revision whose title, speakers
    and texts come back; None: as they are."""

    title: str | None = None
    speakers: SpeakerChanges = SpeakerChanges()
    revision: int | None = None
    texts: list[GivenText] = []
    restore: int | None = None


class Version(msgspec.Struct, frozen=True):
    """An earlier revision of a transcript that is still kept. ``ended_ms``: when the next one was made."""

    revision: int
    title: str
    ended_ms: int


class StoredUtterance(Utterance, frozen=True, kw_only=True):
    """An utterance of the store, identified by (session_id, utterance) whatever the session's epoch.

    ``session_id`` is that of the stored session (``stored_id``), so there is no ``instance``. An utterance outside of a
    conversation is read back with its session's id as ``conversation_id``, one without a speaker with ''.
    """

    expires_ms: int | None = None
    """Time at which retention removes it; None means never."""


class NumberedUtterance(msgspec.Struct, frozen=True):
    """An utterance with its number in the conversation: 1, 2, 3 … in the order in which they became readable.

    A reader that asks for everything after the last number it has misses nothing. Deleted utterances leave holes.
    """

    number: int
    utterance: StoredUtterance


class Search(msgspec.Struct, frozen=True):
    """Search conditions, all of which must hold. ``from_ms`` is inclusive, ``to_ms`` exclusive."""

    query: str = ""
    filename: str = ""
    language: str = ""
    kind: Kind | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    before: int | None = None
    """Return only results after this place, the previous page's ``Page.next``."""
    limit: int = 20


class Snippet(msgspec.Struct, frozen=True):
    """A piece of the text and the ranges [start, end) in it that match, in code points."""

    text: str
    hits: list[tuple[int, int]]


class SearchHit(msgspec.Struct, frozen=True):
    """One result of a search. ``title_hits`` and ``filename_hits`` are ranges as in ``Snippet``;
    ``speaker_hits``: names of speakers that match."""

    summary: Summary
    snippet: Snippet | None = None
    title_hits: list[tuple[int, int]] = []
    filename_hits: list[tuple[int, int]] = []
    speaker_hits: list[Snippet] = []


class Page(msgspec.Struct, frozen=True):
    """Results, newest first; ``next`` is None on the last page."""

    found: list[SearchHit]
    next: int | None


class TenantStore(Protocol):
    """What a ``Reach`` covers of the store. Writes are idempotent and atomic; whatever is out of reach does not exist.

    Every call raises SttError ``unavailable`` while the database is locked, full or gone. What one key of a tenant has
    made is told apart for transcripts only; conversations belong to the whole tenant.
    """

    async def put(self, transcript: Transcript) -> bool:
        """Insert the transcript, or update everything except creation time, maker and what ``edit`` changed.

        False means not stored: it was deleted recently, a terminal state would be overwritten by one that is not, or
        the id is another tenant's."""

    async def get(self, id: str) -> Transcript | None:
        """Return one transcript, or None."""

    async def count(self, *, without: Collection[str] = ()) -> int:
        """Return how many transcripts there are, ``without`` those with these ids."""

    async def find_by_content(self, content_key: str) -> Transcript | None:
        """Return the newest completed transcript of the same bytes with the same options."""

    async def search(self, wanted: Search) -> Page:
        """Return the matching transcripts, newest first."""

    async def edit(self, id: str, edit: TranscriptEdit, now_ms: float) -> Summary | None:
        """Change the title, the texts and the speakers, all or nothing, keep what was there as a version, and count the
        revision up; an edit that has been made already changes nothing. None means there is no such transcript.

        Raises SttError conflict for another revision than that of the edit, and bad_config for segments and speakers
        that are not in the transcript, speakers that are not distinct, and a version that is not kept.
        """

    async def versions(self, id: str) -> list[Version]:
        """Return the earlier versions of a transcript, newest first."""

    async def delete(self, id: str, now_ms: float, *, may_come: bool = False) -> bool:
        """Remove the transcript and the utterances of its session, and reject late copies of them for a week.

        False means there is no such transcript. With ``may_come`` it may still be on its way, and is rejected then too.
        """

    async def append(self, utterances: Sequence[StoredUtterance]) -> list[int]:
        """Store the utterances and return their numbers, in the order given.

        One that is already stored keeps its number and text. 0 means not stored, since its session or conversation was
        deleted recently.
        """

    async def conversation(
        self, conversation_id: str, *, after: int = 0, since_ms: float | None = None, limit: int = MAX_UTTERANCES
    ) -> list[NumberedUtterance]:
        """Return utterances numbered above ``after`` that ended at or after ``since_ms``, by number."""

    async def session_utterances(self, session_id: str) -> list[StoredUtterance]:
        """Return all utterances of one session, in order."""

    async def append_unrecognized(self, session_id: str, speech: UnrecognizedSpeech, expires_ms: int | None) -> None:
        """Store speech of the stored session ``session_id`` without a text, once; not if the session was deleted
        after it."""

    async def session_unrecognized(self, session_id: str) -> list[TimeSpan]:
        """Return all such speech of one stored session, in order."""

    async def append_speakers(self, session_id: str, told: SpeakersTold, expires_ms: int | None) -> None:
        """Store the speakers of utterances of the stored session ``session_id``; not if the session was deleted after
        they were told. Of two accounts of an utterance the one as of the later final stays."""

    async def session_speakers(self, session_id: str) -> dict[int, RevisedUtterance]:
        """Return the speakers of one stored session's utterances, by their numbers."""

    async def delete_conversation(self, conversation_id: str, now_ms: float) -> bool:
        """Remove all utterances of a conversation and reject late copies for a week; the transcripts of its sessions
        remain. False means there were none."""


class TranscriptStore(Protocol):
    """The whole store, whose content is reached only through ``of``. Its calls raise as those of ``TenantStore`` do."""

    def of(self, reach: Reach) -> TenantStore:
        """Return the part of the store that ``reach`` covers; what is put there has its key as its maker."""

    async def purge_expired(self, now_ms: float) -> int:
        """Remove expired data and its traces in the database's files; return the number of transcripts removed."""

    async def check(self) -> None:
        """Read a row; raises as every call does."""

    async def close(self) -> None:
        """Close all connections."""
