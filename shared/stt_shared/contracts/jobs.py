"""A file to transcribe, and what came of it. Times are seconds from the start of the file, as in Whisper's own JSON."""

import enum

import msgspec

from stt_shared.contracts.session import Task


class JobStatus(enum.StrEnum):
    """Where a job is; the last three are the end."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing changes any more."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class JobConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was asked; ``spool_name`` is the file's random name in the spool folder, ``filename`` the client's own.
    ``content_key`` is the same for the same bytes with the same options and model."""

    spool_name: str
    filename: str = ""
    size_bytes: int = 0
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    model: str = ""
    content_key: str = ""


class JobWord(msgspec.Struct, frozen=True):
    """One spoken word; seconds."""

    word: str
    start: float
    end: float
    confidence: float


class JobSegment(msgspec.Struct, frozen=True):
    """A sentence or a clause; seconds."""

    id: int
    start: float
    end: float
    text: str
    confidence: float
    words: list[JobWord]


class TimeSpan(msgspec.Struct, frozen=True):
    """A part of the file; seconds."""

    start: float
    end: float


class JobResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole transcript; ``duration`` in seconds. ``unrecognized``: where speech was heard but no text was found."""

    text: str
    language: str
    duration: float
    segments: list[JobSegment]
    unrecognized: list[TimeSpan] = []


class JobError(msgspec.Struct, frozen=True):
    """Why a job failed; ``code`` stands in the table of errors."""

    code: str
    message: str


class JobView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What GET /v1/stt/jobs/{id} answers; ``progress`` is 0 to 100. ``estimated_s``: how long it will take from this
    progress on, in seconds; None until that is known, and when the job has ended."""

    job_id: str
    status: JobStatus
    progress: float
    filename: str = ""
    created_at: str = ""
    estimated_s: int | None = None
    result: JobResult | None = None
    error: JobError | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a file, cut at a pause, that any replica may transcribe. Positions in samples at 16 kHz."""

    job_id: str
    epoch: str
    index: int
    start_sample: int
    n_samples: int
    voice_share: float = 1.0
    """Part of it that held voice, 0–1."""
    voiced: bytes = b""
    """Which of the windows that touch it held voice, a bit each; '' from a replica that did not tell."""
    language: str = ""
    """The file's, when it was known as the chunk went out; without it the chunk's own is found."""
    decides: bool = False
    """The file's language is the one detected with this chunk."""
    evidence: bytes = b""
    """int16 audio in which it is detected, the voice of the file's first chunks; '': in the chunk itself."""


class ChunkResult(msgspec.Struct, frozen=True):
    """What came of one chunk; ``segments`` and ``unrecognized`` already carry times of the whole file. ``text``: that
    of the segments together."""

    language: str
    segments: list[JobSegment]
    text: str = ""
    unrecognized: list[TimeSpan] = []
