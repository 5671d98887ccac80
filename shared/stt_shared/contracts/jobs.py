"""File jobs: request, status and result. Times are seconds from the start of the file, as in Whisper's own JSON."""

import enum

import msgspec

from stt_shared.contracts.makers import LOCAL_MAKER, Maker
from stt_shared.contracts.session import ChannelMode, Fillers, Redaction, Task
from stt_shared.contracts.speakers import SpeakerCount


class JobStatus(enum.StrEnum):
    """Status of a job; the last three are final."""

    FETCHING = "fetching"
    """Its file is still at the URL that the client has named."""
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the status cannot change again."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class JobConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The client's request.

    ``spool_name`` is the file's random name in the spool folder, ``filename`` the client's name for it. ``content_key``
    is equal for equal bytes with the same options and model. ``track`` counts from 1; None: the decoder chooses.
    ``language`` None: detected, among ``languages``, () for all. ``channel_mode``: what becomes of several channels.
    ``speakers``: tell them apart; None: do not. ``redact``, ``redact_patterns``: as in ``SessionConfig``.
    ``known_to``: the tenant whose known voices get their names; '': no voice is known. ``enrolls``: there is no
    transcript; the voice of the one who speaks is handed over (``JobStreams.enrolled_voice``). ``callback_url``: what
    is notified of the end, '' for nothing. ``callback_form``: how another API's front writes that, as JSON of its own;
    '': as a job of this suite. ``traceparent``: its place in a trace (W3C), '' unless it is traced.
    """

    spool_name: str
    filename: str = ""
    size_bytes: int = 0
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    model: str = ""
    content_key: str = ""
    track: int | None = None
    languages: tuple[str, ...] = ()
    channel_mode: ChannelMode = ChannelMode.MIX
    keyterms: tuple[str, ...] = ()
    speakers: SpeakerCount | None = None
    replacements: dict[str, str] = {}
    fillers: Fillers = Fillers.KEEP
    redact: tuple[Redaction, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    maker: Maker = LOCAL_MAKER
    known_to: str = ""
    enrolls: bool = False
    callback_url: str = ""
    callback_method: str = "POST"
    callback_form: str = ""
    traceparent: str = ""


class FetchOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a job's file is to be fetched from. ``upload_bytes_per_day``: that quota of the key, 0 for none."""

    url: str
    upload_bytes_per_day: int = 0


class JobWord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One spoken word; times in seconds. ``channel`` and ``speaker`` are as in ``JobSegment``."""

    word: str
    start: float
    end: float
    confidence: float
    channel: int | None = None
    speaker: str = ""


class JobSegment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A sentence or clause of one speaker; times in seconds.

    ``channel``: the file's channel that it was said on, from 0; None when the channels were mixed. ``speaker``: ''
    unless speakers were told apart. ``language``: '' in results of older versions.
    """

    id: int
    start: float
    end: float
    text: str
    confidence: float
    words: list[JobWord]
    channel: int | None = None
    speaker: str = ""
    language: str = ""


class TimeSpan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of the file, or of one ``channel`` of it; times in seconds."""

    start: float
    end: float
    channel: int | None = None


class JobWarning(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that the transcript lacks: a part of the file, or the speakers.

    ``start`` and ``end``: the part of the file that it concerns, in seconds; None when that is unknown.
    """

    code: str
    message: str
    start: float | None = None
    end: float | None = None


class AudioTrack(msgspec.Struct, frozen=True, omit_defaults=True):
    """The transcribed one of a file's audio tracks.

    ``number`` counts from 1 to ``of``. ``language`` (as the file spells it) and ``title`` are '' if the file has none.
    """

    number: int
    of: int
    language: str = ""
    title: str = ""


class DecodedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found while a file was decoded.

    ``duration`` is what a player shows, in seconds: with other tracks and what could not be decoded; 0 when unknown.
    ``track``: None when there is only one.
    """

    duration: float = 0.0
    track: AudioTrack | None = None
    warnings: list[JobWarning] = []


class JobResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole transcript. ``language``: the one most spoken.

    ``duration`` is in seconds. ``unrecognized``: parts in which speech was detected but no text was found. ``track``
    and ``warnings`` are those of ``DecodedFile``.
    """

    text: str
    language: str
    duration: float
    segments: list[JobSegment]
    unrecognized: list[TimeSpan] = []
    track: AudioTrack | None = None
    warnings: list[JobWarning] = []


class JobError(msgspec.Struct, frozen=True):
    """Reason why a job failed; ``code`` is a key of ``ERRORS``."""

    code: str
    message: str


class CallbackView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What has become of a callback: ``pending``, ``delivered`` or, when it was given up, ``failed``.

    ``error``: why the last attempt failed.
    """

    status: str
    attempts: int
    error: str = ""


class JobView(msgspec.Struct, frozen=True, omit_defaults=True):
    """Response of GET /v1/stt/jobs/{id}; ``progress`` is 0 to 100.

    ``estimated_s``: seconds that the job will take from this progress on; None until known, and when the job has ended.
    ``callback``: what has become of it; None before the end, and without ``callback_url``. ``fetched_bytes``: of the
    file at the client's URL, and how long it is, None if nobody knows or it is there.
    """

    job_id: str
    status: JobStatus
    progress: float
    filename: str = ""
    created_at: str = ""
    estimated_s: int | None = None
    result: JobResult | None = None
    error: JobError | None = None
    callback: CallbackView | None = None
    fetched_bytes: int | None = None
    total_bytes: int | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A piece of a file, cut at a pause, that any transcriber may decode. Positions in samples at 16 kHz."""

    job_id: str
    epoch: str
    index: int
    start_sample: int
    n_samples: int
    voice_share: float = 1.0
    """Share of the chunk with voice activity, 0–1."""
    voiced: bytes = b""
    """VAD windows that overlap the chunk, one bit each, set if the window held voice; '' from a replica that did not
    report them."""
    evidence: bytes = b""
    """int16 audio: the voice of this and the chunks before it, by which the language of little voice is detected; ''
    means that the chunk's own is enough."""
    channel: int | None = None
    """Channel of the file that it is of, from 0; None when the channels were mixed."""


class ChunkVoices(msgspec.Struct, frozen=True):
    """Voices in the windows of a chunk.

    ``spans_ms``: start and end of each window in the file, in order. ``voices``: int8 [windows, size], each in
    proportion to the window's voice. ``channel``: that of the chunk.
    """

    spans_ms: list[tuple[int, int]]
    voices: bytes
    channel: int | None = None


class ChunkResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """Result of one chunk.

    ``language``: that of its first text. ``segments`` and ``unrecognized`` have times relative to the whole file.
    ``text``: the text of all segments.
    ``warnings``: about the whole file, so the same for each of its chunks that the same engine decoded.
    ``voices``: None if they were not asked for, or could not be told apart by the replica that decoded the chunk.
    """

    language: str
    segments: list[JobSegment]
    text: str = ""
    unrecognized: list[TimeSpan] = []
    warnings: list[JobWarning] = []
    voices: ChunkVoices | None = None
