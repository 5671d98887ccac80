"""Events that the server sends to a client; docs/protocol.md shows an example of each.

Every event has ``session_id`` and a rising ``event`` number. Redis assigns the number when the event is appended to the
session's results log, so all writers of a session share one sequence. ``timestamp`` is ISO 8601, UTC. Times named
``*_ms`` are positions in the session's audio. ``channel`` counts from 0 and is there where channels are kept apart.
"""

import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Word(msgspec.Struct, frozen=True):
    """One spoken word. ``confidence`` is a probability, 0 to 1."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class Limits(msgspec.Struct, frozen=True):
    """Limits of the gateway for one session."""

    max_message_bytes: int
    max_session_s: int
    max_utterance_s: int


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    session_id: str
    event: int = 0


class Ready(_Event, frozen=True, kw_only=True, tag="ready"):
    """The session is open.

    ``resume_from_seq``: the server already has the client chunks up to this number. ``resumed``: whether the server
    still had the session that the client asked to resume; null for a client that did not ask.
    """

    resume_token: str
    resume_from_seq: int
    resumed: bool | None = None
    limits: Limits
    config: dict[str, Any]
    timestamp: str


class Partial(_Event, frozen=True, kw_only=True, tag="partial"):
    """The current utterance so far: ``text`` = ``stable`` (no later partial revises it) + ``unstable``.

    ``utterance``: number that its final has if no other channel's comes first.
    """

    text: str
    new_text: str
    stable: str
    unstable: str
    confidence: float
    timestamp: str
    utterance: int
    start_ms: int
    end_ms: int
    lag_ms: int
    channel: int | UnsetType = UNSET


class SpeakerTurn(msgspec.Struct, frozen=True):
    """Part of an utterance from its ``word`` on, counted from 0."""

    word: int
    speaker: str | None


class Final(_Event, frozen=True, kw_only=True, tag="final"):
    """One finished utterance, immutable.

    ``utterance`` counts from 1 without holes, over all channels. The final commits the audio before ``committed_ms``.
    ``traceparent``: where the suite's trace of it begins (W3C), unset unless it is traced.
    ``speaker``: who says most of it, None if that could not be told, unset where speakers are not told apart;
    ``speaker_confidence``: how sure that is, 0 to 1. ``turns``: who says what of it, unset where one speaker says it
    all.
    """

    text: str
    confidence: float
    timestamp: str
    utterance: int
    start_ms: int
    end_ms: int
    language: str
    words: list[Word]
    lag_ms: int = 0
    committed_ms: int = 0
    channel: int | UnsetType = UNSET
    speaker: str | UnsetType | None = UNSET
    speaker_confidence: float | UnsetType = UNSET
    turns: list[SpeakerTurn] | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET


class RevisedUtterance(msgspec.Struct, frozen=True, omit_defaults=True):
    """Speaker of an utterance that has its final already.

    ``turns``: who says what of it; empty if one speaker says it all.
    """

    utterance: int
    speaker: str | None
    turns: list[SpeakerTurn] = []


class SpeakersRevised(_Event, frozen=True, kw_only=True, tag="speakers_revised"):
    """Other speakers of earlier finals, which later speech has shown."""

    utterances: list[RevisedUtterance]
    timestamp: str


class Ack(_Event, frozen=True, kw_only=True, tag="ack"):
    """The server has the client chunks up to ``received_seq``; audio before ``committed_ms`` is never needed again."""

    received_seq: int
    committed_ms: int


class SpeechStarted(_Event, frozen=True, kw_only=True, tag="speech_started"):
    """Voice activity began at ``start_ms``."""

    start_ms: int
    timestamp: str
    channel: int | UnsetType = UNSET


class SpeechEnded(_Event, frozen=True, kw_only=True, tag="speech_ended"):
    """Voice activity ended at ``end_ms``."""

    end_ms: int
    timestamp: str
    channel: int | UnsetType = UNSET


class TurnEnded(_Event, frozen=True, kw_only=True, tag="turn_ended"):
    """The speaker has probably finished, with the voice up to ``end_ms``; a final follows unless they go on."""

    end_ms: int
    probability: float
    timestamp: str
    channel: int | UnsetType = UNSET


SPEECH_NOT_RECOGNIZED = "speech_not_recognized"
"""``Gap.cause`` of speech for which no text was found."""


class Gap(_Event, frozen=True, kw_only=True, tag="gap"):
    """Audio that the text does not cover. ``cause``: ``SPEECH_NOT_RECOGNIZED``, or which chunks never came."""

    from_ms: int
    to_ms: int
    cause: str
    channel: int | UnsetType = UNSET


class Configured(_Event, frozen=True, kw_only=True, tag="configured"):
    """The vocabulary of the utterances that begin at ``from_ms`` or later."""

    from_ms: int
    keyterms: list[str]
    replacements: dict[str, str]
    timestamp: str


class Finalized(_Event, frozen=True, kw_only=True, tag="finalized"):
    """The answer to ``finalize``: the utterance ended at ``at_ms``, and what was told of speech before came before."""

    at_ms: int
    timestamp: str


class Notice(_Event, frozen=True, kw_only=True, tag="warning"):
    """A warning to the client; the session continues."""

    code: str
    message: str


class Error(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    """The session ends; the close code that follows matches ``code``.

    ``retry_after_s``: seconds to wait before retrying, for a session that was refused and may be opened later.
    """

    code: str
    message: str
    retryable: bool
    retry_after_s: float | None = None


class StageTiming(msgspec.Struct, frozen=True):
    """Time that one session spent in one timed stage, in milliseconds."""

    count: int
    mean: float
    max: float


class Done(_Event, frozen=True, kw_only=True, tag="done"):
    """The reply to ``stop`` and the last event. ``timings_ms``: by the stages of docs/architecture.md."""

    text: str
    duration_ms: int
    finals: int
    timings_ms: dict[str, StageTiming]


Event = (
    Ready
    | Partial
    | Final
    | SpeakersRevised
    | Ack
    | SpeechStarted
    | SpeechEnded
    | TurnEnded
    | Gap
    | Configured
    | Finalized
    | Notice
    | Error
    | Done
)

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """Encode an event as JSON without its ``event`` number, which emit_event.lua assigns and prepends."""
    body = msgspec.to_builtins(event)
    body.pop("event", None)
    return msgspec.json.encode(body)


def decode_event(payload: bytes) -> Event:
    """Decode an event as a client receives it. Raises msgspec.DecodeError."""
    return _decoder.decode(payload)


def iso_timestamp(wall_ms: float) -> str:
    """Format a wall-clock time in milliseconds since 1970 as ISO 8601 in UTC with milliseconds."""
    # Cut, never rounded up, so that a time says the same before and after it was stored as a whole number.
    moment = datetime.datetime.fromtimestamp(int(wall_ms) / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
