"""Query parameters of clients; an error names the parameter, the value found and what is allowed."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from stt_gateway.core.requests.languages import LANGUAGES, code_of
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ, Encoding, SessionConfig, Task

MAX_PROMPT_CHARS = 1000
MAX_LABEL_CHARS = 128
_MOST = 999_999_999

RESUME_PARAMETERS = ("resume_token", "last_event", "committed_ms", "finals", "start_ms")
STREAM_PARAMETERS = (
    "sample_rate",
    "encoding",
    "channels",
    "language",
    "task",
    "prompt",
    "interim_results",
    "endpointing_ms",
    "conversation_id",
    "speaker",
    "store",
    "session_id",
    "framing",
    *RESUME_PARAMETERS,
)
JOB_PARAMETERS = ("language", "task", "prompt")

Member = TypeVar("Member", bound=enum.StrEnum)


class Framing(enum.StrEnum):
    """Content of a binary message: audio alone, or a chunk number of four bytes (big-endian) and audio."""

    RAW = "raw"
    SEQ32 = "seq32"


@dataclass(frozen=True)
class Defaults:
    """Values for parameters that a client does not give."""

    sample_rate: int = AUDIO_RATE_HZ
    channels: int = 1
    endpointing_ms: int = 500


@dataclass(frozen=True)
class Known:
    """State of a session as its client has it.

    ``finals``: number of its finals; ``committed_ms``: position up to which they settle the audio; ``start_ms``:
    position of the audio that the client would send first if the server has nothing.
    """

    finals: int
    committed_ms: int
    start_ms: int


@dataclass(frozen=True)
class Resume:
    """Request to resume a session. ``known`` None: resume only if the server still has the session."""

    token: str
    last_event: int
    known: Known | None

    @property
    def is_opening(self) -> bool:
        """Whether the client has received nothing of the session yet.

        A client that chooses its own token may open a session this way: a repeated request, as after a lost `ready`,
        finds the same session.
        """
        return self.last_event == 0 and self.known is not None and self.known.committed_ms == 0


@dataclass(frozen=True)
class SessionRequest:
    """Validated query of a live session. ``session_id`` is as the client wrote it and is not validated here."""

    config: SessionConfig
    framing: Framing
    session_id: str | None
    resume: Resume | None = None


@dataclass(frozen=True)
class JobRequest:
    """Validated options for a file."""

    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""


def session_request(pairs: Iterable[tuple[str, str]], defaults: Defaults) -> SessionRequest:
    """Parse the query of a live session. Raises SttError bad_config."""
    given = once(pairs, STREAM_PARAMETERS)
    config = SessionConfig(
        sample_rate=number(given, "sample_rate", 8000, 192_000, defaults.sample_rate),
        encoding=choice(given, "encoding", Encoding, Encoding.PCM_S16LE),
        channels=number(given, "channels", 1, 8, defaults.channels),
        language=_language(given),
        task=choice(given, "task", Task, Task.TRANSCRIBE),
        prompt=_text(given, "prompt", MAX_PROMPT_CHARS) or "",
        interim_results=flag(given, "interim_results", True),
        endpointing_ms=number(given, "endpointing_ms", 100, 5000, defaults.endpointing_ms),
        conversation_id=_text(given, "conversation_id", MAX_LABEL_CHARS),
        speaker=_text(given, "speaker", MAX_LABEL_CHARS),
        store=flag(given, "store", False),
    )
    framing = choice(given, "framing", Framing, Framing.RAW)
    return SessionRequest(config, framing, given.get("session_id"), _resume(given))


def job_request(pairs: Iterable[tuple[str, str]]) -> JobRequest:
    """Parse the options for a file. Raises SttError bad_config."""
    given = once(pairs, JOB_PARAMETERS)
    return JobRequest(
        _language(given),
        choice(given, "task", Task, Task.TRANSCRIBE),
        _text(given, "prompt", MAX_PROMPT_CHARS) or "",
    )


def effective_config(config: SessionConfig) -> dict[str, object]:
    """Return all fields for `ready`, including those with default values."""
    return {field: msgspec.to_builtins(getattr(config, field)) for field in config.__struct_fields__}


def quoted(value: str) -> str:
    """Format a client's value for a message: quoted, control characters escaped, at most 64 characters of it."""
    return repr(value if len(value) <= 64 else value[:61] + "...")


def _resume(given: Mapping[str, str]) -> Resume | None:
    token = _text(given, "resume_token", MAX_LABEL_CHARS)
    if token is None:
        if wrong := [name for name in RESUME_PARAMETERS if name in given]:
            raise SttError("bad_config", f"{wrong[0]} is for resuming a session: resume_token must be given too")
        return None
    if "session_id" not in given:
        raise SttError("bad_config", "resume_token is given without session_id; both are needed to resume a session")
    last_event = number(given, "last_event", 0, _MOST, 0)
    if "committed_ms" not in given:
        return Resume(token, last_event, None)
    committed_ms = number(given, "committed_ms", 0, _MOST, 0)
    start_ms = number(given, "start_ms", 0, committed_ms, committed_ms)
    return Resume(token, last_event, Known(number(given, "finals", 0, _MOST, 0), committed_ms, start_ms))


def once(pairs: Iterable[tuple[str, str]], allowed: tuple[str, ...]) -> Mapping[str, str]:
    """Return the parameters by name. Raises SttError bad_config for one that is unknown or given twice."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in allowed:
            raise SttError("bad_config", f"unknown parameter {quoted(name)}; allowed are {', '.join(allowed)}")
        if name in given:
            raise SttError("bad_config", f"{name} is given twice; once is allowed")
        given[name] = value
    return given


def refuse(name: str, value: str, allowed: str) -> SttError:
    """Build the error for a value that is not allowed."""
    return SttError("bad_config", f"{name}={quoted(value)} is not allowed; {name} must be {allowed}")


def number(given: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """Parse a whole number from ``least`` to ``most``. Raises SttError bad_config."""
    value = given.get(name)
    if value is None:
        return default
    # int() also accepts digits of other scripts, and refuses very long numbers with an error of its own.
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and least <= int(value) <= most):
        raise refuse(name, value, f"a whole number from {least} to {most}")
    return int(value)


def choice(given: Mapping[str, str], name: str, kind: type[Member], default: Member) -> Member:
    """Parse one of the members of ``kind`` by its value. Raises SttError bad_config."""
    value = given.get(name)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        raise refuse(name, value, "one of " + ", ".join(kind)) from None


def flag(given: Mapping[str, str], name: str, default: bool) -> bool:
    """Parse a boolean. Raises SttError bad_config."""
    value = given.get(name)
    if value is None:
        return default
    if value not in ("true", "1", "false", "0"):
        raise refuse(name, value, "true or false")
    return value in ("true", "1")


def _text(given: Mapping[str, str], name: str, most: int) -> str | None:
    value = given.get(name)
    if value is not None and len(value) > most:
        raise refuse(name, value, f"at most {most} characters long (it has {len(value)})")
    return value


def _language(given: Mapping[str, str]) -> str | None:
    value = given.get("language")
    if value is None or value in ("", "auto"):
        return None
    code = code_of(value)
    if code not in LANGUAGES:
        raise refuse("language", value, "auto or a language code that Whisper knows, such as en, de or zh")
    return code
