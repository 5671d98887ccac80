"""Request of a client for a live session."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

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
from stt_gateway.core.requests.parameters import (
    MAX_LABEL_CHARS,
    MAX_NUMBER,
    Given,
    NotAllowed,
    Parameter,
    Parameters,
    choice,
    flag,
    label,
    number,
    text,
)
from stt_gateway.core.requests.redaction import REDACT, REDACT_PATTERNS
from stt_gateway.core.requests.vocabulary import FILLERS, KEYTERMS, REPLACEMENTS
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import AUDIO_RATE_HZ, ChannelMode, Encoding, Endpointing, SessionConfig


class Framing(enum.StrEnum):
    """Content of a binary message: audio alone, or a chunk number of four bytes (big-endian) and audio."""

    RAW = "raw"
    SEQ32 = "seq32"


SAMPLE_RATE = number(
    "sample_rate", 4000, 384_000, AUDIO_RATE_HZ, "Rate of bare samples in Hz; a container states its own."
)
ENCODING = choice("encoding", Encoding, Encoding.PCM_S16LE, "Bare samples, little-endian, or a container.")
CHANNELS = number("channels", 1, 8, 1, "Channels of bare samples, interleaved; or those to be kept apart.")


def _live_channel_mode(value: str) -> ChannelMode:
    if value not in _LIVE_CHANNEL_MODES:
        raise NotAllowed(
            f"one of {', '.join(_LIVE_CHANNEL_MODES)} (auto is for files, whose channels are compared beforehand)"
        )
    return ChannelMode(value)


_LIVE_CHANNEL_MODES = (ChannelMode.MIX, ChannelMode.SEPARATE)
CHANNEL_MODE = Parameter[ChannelMode](
    "channel_mode",
    ChannelMode.MIX,
    _live_channel_mode,
    {"type": "string", "enum": [mode.value for mode in _LIVE_CHANNEL_MODES]},
    "What becomes of several channels: mix, one text for all; separate, each has its own, and channels must be given.",
)
INTERIM_RESULTS = flag("interim_results", True, "Whether to send `partial` events.")
ENDPOINTING = choice(
    "endpointing",
    Endpointing,
    Endpointing.AUTO,
    "Whether a pause ends an utterance sooner or later, by what was said; `fixed` if only `endpointing_ms` is given.",
)
ENDPOINTING_MS = number(
    "endpointing_ms", 100, 5000, 500, "Silence that ends an utterance; with `auto`, one that sounds finished."
)
ENDPOINTING_MAX_MS = number(
    "endpointing_max_ms", 100, 5000, 1200, "With `auto`, silence that ends an utterance that does not sound finished."
)
CONVERSATION_ID = label("conversation_id", "Conversation that the session belongs to.")
SPEAKER = text("speaker", MAX_LABEL_CHARS, "Name of the speaker, shown to viewers.")
STORE = flag("store", False, "Whether to keep the transcript.")
# Checked where a session is named: the rule is that of the keys in Redis.
SESSION_ID = Parameter[str | None](
    "session_id", None, str, {"type": "string"}, "Name of the session; without one, the server makes it."
)
FRAMING = choice("framing", Framing, Framing.RAW, "Content of a binary message.")

RESUME_TOKEN = text("resume_token", MAX_LABEL_CHARS, "From `ready`.")
LAST_EVENT = number("last_event", 0, MAX_NUMBER, 0, "Newest event received; later ones are sent again.")
COMMITTED_MS = number(
    "committed_ms", 0, MAX_NUMBER, 0, "Settled audio; with it the session can be rebuilt if the server has lost it."
)
FINALS = number("finals", 0, MAX_NUMBER, 0, "Finals received that begin before `committed_ms`.")
START_MS = number("start_ms", 0, MAX_NUMBER, 0, "Position of the client's audio if the session had to be rebuilt.")

_RESUME_PARAMETERS = (RESUME_TOKEN, LAST_EVENT, COMMITTED_MS, FINALS, START_MS)
STREAM_PARAMETERS = Parameters(
    SAMPLE_RATE,
    ENCODING,
    CHANNELS,
    CHANNEL_MODE,
    LANGUAGE,
    LANGUAGES,
    TASK,
    PROMPT,
    KEYTERMS,
    REPLACEMENTS,
    FILLERS,
    REDACT,
    REDACT_PATTERNS,
    INTERIM_RESULTS,
    ENDPOINTING,
    ENDPOINTING_MS,
    ENDPOINTING_MAX_MS,
    CONVERSATION_ID,
    SPEAKER,
    SPEAKERS,
    KNOWN_SPEAKERS,
    STORE,
    CALLBACK_URL,
    SESSION_ID,
    FRAMING,
    *_RESUME_PARAMETERS,
)


@dataclass(frozen=True)
class Defaults:
    """Values for parameters that a client does not give."""

    sample_rate: int = SAMPLE_RATE.default
    channels: int = CHANNELS.default
    endpointing_ms: int = ENDPOINTING_MS.default
    endpointing: Endpointing = ENDPOINTING.default
    endpointing_max_ms: int = ENDPOINTING_MAX_MS.default
    languages: tuple[str, ...] = ()


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


def session_request(pairs: Iterable[tuple[str, str]], defaults: Defaults) -> SessionRequest:
    """Parse the query of a live session. Raises SttError bad_config."""
    given = STREAM_PARAMETERS.parse(pairs)
    language, languages = requested_languages(given, defaults.languages)
    endpointing, endpointing_ms, endpointing_max_ms = _endpointing(given, defaults)
    config = SessionConfig(
        sample_rate=given.get(SAMPLE_RATE, defaults.sample_rate),
        encoding=given[ENCODING],
        channels=given.get(CHANNELS, defaults.channels),
        language=language,
        languages=languages,
        task=given[TASK],
        prompt=given[PROMPT] or "",
        interim_results=given[INTERIM_RESULTS],
        endpointing=endpointing,
        endpointing_ms=endpointing_ms,
        endpointing_max_ms=endpointing_max_ms,
        conversation_id=given[CONVERSATION_ID],
        speaker=given[SPEAKER],
        store=given[STORE],
        keyterms=given[KEYTERMS],
        replacements=given[REPLACEMENTS],
        fillers=given[FILLERS],
        speakers=requested_speakers(given),
        known_speakers=given[KNOWN_SPEAKERS],
        redact=given[REDACT],
        redact_patterns=given[REDACT_PATTERNS],
        channel_mode=_channel_mode(given),
        callback_url=given[CALLBACK_URL],
    )
    return SessionRequest(config, given[FRAMING], given[SESSION_ID], _resume(given))


def effective_config(config: SessionConfig) -> dict[str, object]:
    """Return all fields for `ready`, including those with default values."""
    return {field: msgspec.to_builtins(getattr(config, field)) for field in config.__struct_fields__}


def _channel_mode(given: Given) -> ChannelMode:
    mode = given[CHANNEL_MODE]
    if mode is ChannelMode.SEPARATE and CHANNELS not in given:
        raise SttError(
            "bad_config", "channel_mode=separate is given without channels, the number of those to keep apart: 1 to 8"
        )
    return mode


def _endpointing(given: Given, defaults: Defaults) -> tuple[Endpointing, int, int]:
    """Return the rule, its base and its longest silence.

    A client that names only the silence wants exactly that one, as it was before there was another rule.
    """
    rule = given.get(ENDPOINTING, defaults.endpointing)
    if ENDPOINTING not in given and ENDPOINTING_MS in given and ENDPOINTING_MAX_MS not in given:
        rule = Endpointing.FIXED
    base_ms = given.get(ENDPOINTING_MS, defaults.endpointing_ms)
    if ENDPOINTING_MAX_MS not in given:
        return rule, base_ms, max(base_ms, defaults.endpointing_max_ms)
    if given[ENDPOINTING] is Endpointing.FIXED:
        raise SttError("bad_config", f"{ENDPOINTING_MAX_MS.name} is for {ENDPOINTING.name}=auto")
    longest_ms = given[ENDPOINTING_MAX_MS]
    if longest_ms < base_ms:
        least = f"at least {ENDPOINTING_MS.name}, {base_ms}"
        raise SttError("bad_config", f"{ENDPOINTING_MAX_MS.name}={longest_ms} is not allowed; it must be {least}")
    return Endpointing.AUTO, base_ms, longest_ms


def _resume(given: Given) -> Resume | None:
    token = given[RESUME_TOKEN]
    if token is None:
        if wrong := [parameter.name for parameter in _RESUME_PARAMETERS if parameter in given]:
            raise SttError("bad_config", f"{wrong[0]} is for resuming a session: resume_token must be given too")
        return None
    if SESSION_ID not in given:
        raise SttError("bad_config", "resume_token is given without session_id; both are needed to resume a session")
    last_event = given[LAST_EVENT]
    if COMMITTED_MS not in given:
        return Resume(token, last_event, None)
    committed_ms = given[COMMITTED_MS]
    start_ms = given.get(number(START_MS.name, 0, committed_ms, 0, START_MS.description), committed_ms)
    return Resume(token, last_event, Known(given[FINALS], committed_ms, start_ms))
