"""Options of a client for a file."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from stt_gateway.core.requests.callbacks import CALLBACK_URL
from stt_gateway.core.requests.model_options import (
    KNOWN_SPEAKERS,
    LANGUAGE,
    LANGUAGES,
    PROMPT,
    SPEAKERS,
    TASK,
    requested_languages,
    requested_speakers,
)
from stt_gateway.core.requests.parameters import Parameters, choice, optional_number, text, upload_form
from stt_gateway.core.requests.redaction import REDACT, REDACT_PATTERNS
from stt_gateway.core.requests.remote_file import URL
from stt_gateway.core.requests.vocabulary import FILLERS, KEYTERMS, REPLACEMENTS
from stt_shared.contracts.session import ChannelMode, Fillers, Redaction, Task
from stt_shared.contracts.speakers import SpeakerCount

MAX_TRACK = 64

TRACK = optional_number(
    "track",
    1,
    MAX_TRACK,
    "The audio track to transcribe, counted from 1; without it, the first that is heard, beginning with those that the "
    "file marks as default.",
)
CHANNEL_MODE = choice(
    "channel_mode",
    ChannelMode,
    ChannelMode.MIX,
    "What becomes of several channels: mix, one text for all; separate, each channel has its own; auto, separate "
    "unless one channel holds what is on the others.",
)


JOB_PARAMETERS = Parameters(
    LANGUAGE,
    LANGUAGES,
    TASK,
    PROMPT,
    TRACK,
    CHANNEL_MODE,
    KEYTERMS,
    SPEAKERS,
    KNOWN_SPEAKERS,
    REPLACEMENTS,
    FILLERS,
    REDACT,
    REDACT_PATTERNS,
    CALLBACK_URL,
    URL,
)

_FILES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "format": "binary"},
    "description": "One or more files, unless there is a `url`.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "A request that is repeated with the same key creates its jobs once.",
}
JOB_OPENAPI = {
    "parameters": [*JOB_PARAMETERS.openapi_query(), _IDEMPOTENCY_KEY],
    **upload_form({"file": _FILES, **JOB_PARAMETERS.openapi_properties()}, required=()),
}
for _kind in ("application/json", "application/x-www-form-urlencoded"):
    _properties = JOB_PARAMETERS.openapi_properties()
    JOB_OPENAPI["requestBody"]["content"][_kind] = {
        "schema": {"type": "object", "required": [URL.name], "properties": _properties}
    }
"""OpenAPI of the request: the options may be form fields or in the query."""


@dataclass(frozen=True)
class JobRequest:
    """Validated options for a file.

    ``enrolls``: its voice is wanted, not its text. ``url``: where the file is, '' if it came with the request.
    ``callback_method``, ``callback_form``: as in ``JobConfig``.
    """

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    track: int | None = None
    languages: tuple[str, ...] = ()
    channel_mode: ChannelMode = ChannelMode.MIX
    keyterms: tuple[str, ...] = ()
    speakers: SpeakerCount | None = None
    replacements: dict[str, str] = field(default_factory=dict)
    fillers: Fillers = Fillers.KEEP
    redact: tuple[Redaction, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    known_speakers: bool = False
    enrolls: bool = False
    callback_url: str = ""
    url: str = ""
    callback_method: str = "POST"
    callback_form: str = ""

    @property
    def possible_languages(self) -> tuple[str, ...]:
        """Languages that the file may be in; () for all."""
        return (self.language,) if self.language else self.languages


def job_request(pairs: Iterable[tuple[str, str]], default_languages: tuple[str, ...] = ()) -> JobRequest:
    """Parse the options for a file. Raises SttError bad_config.

    ``default_languages``: the languages to choose from if the client names none; () for all.
    """
    given = JOB_PARAMETERS.parse(pairs)
    language, languages = requested_languages(given, default_languages)
    return JobRequest(
        language,
        given[TASK],
        given[PROMPT] or "",
        given[TRACK],
        languages,
        given[CHANNEL_MODE],
        given[KEYTERMS],
        requested_speakers(given),
        given[REPLACEMENTS],
        given[FILLERS],
        given[REDACT],
        given[REDACT_PATTERNS],
        given[KNOWN_SPEAKERS],
        callback_url=given[CALLBACK_URL],
        url=given[URL],
    )


NAME = text("name", 255, "Who speaks, 1 to 128 visible characters.")
ENROLLMENT_PARAMETERS = Parameters(NAME)
ENROLLMENT = JobRequest(speakers=SpeakerCount(1, 1), enrolls=True)
ENROLLMENT_OPENAPI = upload_form(
    {
        "file": {"type": "string", "format": "binary", "description": "Speech of one person."},
        **ENROLLMENT_PARAMETERS.openapi_properties(),
    },
    required=("file", "name"),
)
"""OpenAPI of an enrolment."""
