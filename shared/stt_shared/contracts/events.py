"""What the server says to a client; docs/protocol.md shows each with an example.

Every event carries ``session_id`` and a rising ``event`` number. The number is given by Redis when the event is
appended to the session's results, so all writers of a session share one row of numbers. ``timestamp`` is ISO 8601, UTC.
Times named ``*_ms`` are positions in the session's audio.
"""

import datetime
from typing import Any

import msgspec


class Word(msgspec.Struct, frozen=True):
    """One spoken word. ``confidence`` is a probability, 0 to 1."""

    word: str
    start_ms: int
    end_ms: int
    confidence: float


class Limits(msgspec.Struct, frozen=True):
    """What the gateway allows one session."""

    max_message_bytes: int
    max_session_s: int
    max_utterance_s: int


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    session_id: str
    event: int = 0


class Ready(_Event, frozen=True, kw_only=True, tag="ready"):
    """The session is open. Chunks up to number ``resume_from_seq`` are held already. ``resumed``: whether the server
    still had the session that the client wishes to go on with; null for one that does not."""

    resume_token: str
    resume_from_seq: int
    resumed: bool | None = None
    limits: Limits
    config: dict[str, Any]
    timestamp: str


class Partial(_Event, frozen=True, kw_only=True, tag="partial"):
    """The current utterance so far: ``text`` = ``stable`` (no later partial revises it) + ``unstable``."""

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


class Final(_Event, frozen=True, kw_only=True, tag="final"):
    """One finished utterance. Immutable; ``utterance`` counts from 1 without holes. Audio before ``committed_ms`` is
    settled with it."""

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


class Ack(_Event, frozen=True, kw_only=True, tag="ack"):
    """Chunks up to ``received_seq`` are held by the server; audio before ``committed_ms`` is never needed again."""

    received_seq: int
    committed_ms: int


class SpeechStarted(_Event, frozen=True, kw_only=True, tag="speech_started"):
    """Voice activity began at ``start_ms``."""

    start_ms: int
    timestamp: str


class SpeechEnded(_Event, frozen=True, kw_only=True, tag="speech_ended"):
    """Voice activity ended at ``end_ms``."""

    end_ms: int
    timestamp: str


class Gap(_Event, frozen=True, kw_only=True, tag="gap"):
    """Audio that never reached the model, and why."""

    from_ms: int
    to_ms: int
    cause: str


class Notice(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="warning"):
    """Something the client should know; the session goes on. ``from_ms``, ``to_ms``: the audio that it is about."""

    code: str
    message: str
    from_ms: int | None = None
    to_ms: int | None = None


class Error(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    """The session ends; the close code that follows matches ``code``. ``retry_after_s``: of a session that was refused
    and may be opened later, how long to wait until then."""

    code: str
    message: str
    retryable: bool
    retry_after_s: float | None = None


class StageTiming(msgspec.Struct, frozen=True):
    """What one stage of the road cost one session, in milliseconds."""

    count: int
    mean: float
    max: float


class Done(_Event, frozen=True, kw_only=True, tag="done"):
    """The answer to ``stop``; nothing comes after it. ``timings_ms`` names the stages of docs/architecture.md."""

    text: str
    duration_ms: int
    finals: int
    timings_ms: dict[str, StageTiming]


Event = Ready | Partial | Final | Ack | SpeechStarted | SpeechEnded | Gap | Notice | Error | Done

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """JSON without an ``event`` number: emit_event.lua writes that in front when the event gets its place."""
    body = msgspec.to_builtins(event)
    body.pop("event", None)
    return msgspec.json.encode(body)


def decode_event(payload: bytes) -> Event:
    """Reads one event as a client receives it. Raises msgspec.DecodeError."""
    return _decoder.decode(payload)


def iso_timestamp(wall_ms: float) -> str:
    """ISO 8601 in UTC with milliseconds, for a wall clock in milliseconds since 1970."""
    moment = datetime.datetime.fromtimestamp(wall_ms / 1000, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
