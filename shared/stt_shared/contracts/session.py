"""What a live session was asked to do, and how far it is; both lie in the session's hash in Redis."""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

AUDIO_RATE_HZ = 16000
"""Hertz of every sample after the audio-processor."""


class Encoding(enum.StrEnum):
    """What a client may send. The first four are bare samples; the rest are containers that FFmpeg reads."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"
    WEBM = "webm"
    OGG = "ogg"
    MP3 = "mp3"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    AUTO = "auto"

    @property
    def bytes_per_sample(self) -> int | None:
        """Bytes of one sample of one channel; None for a container."""
        return {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}.get(self.value)


class Task(enum.StrEnum):
    """Write down what was said, or its English translation."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class SessionConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The client's wishes, checked by the gateway; ``language`` None means: detect."""

    sample_rate: int = AUDIO_RATE_HZ
    encoding: Encoding = Encoding.PCM_S16LE
    channels: int = 1
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    interim_results: bool = True
    endpointing_ms: int = 500
    conversation_id: str | None = None
    speaker: str | None = None
    store: bool = False

    def frame_bytes(self) -> int | None:
        """Bytes of one sample of all channels together; None for a container."""
        size = self.encoding.bytes_per_sample
        return None if size is None else size * self.channels


class VadCheckpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the transcriber had heard at ``position``, at or before the committed one: a successor hears the audio from
    there on and finds the same utterances.

    ``voice``: the voice model's memory, opaque. ``gate``: the speech gate's. ``open_start``: of the utterance that was
    open there; ``last_end``: of the one before it. ``ends``: of the utterances behind them that are settled; the last
    one's final may reach no further than the committed position.
    """

    position: int
    voice: bytes
    gate: tuple[int, int, bool, int, int, int, int]
    open_start: int | None = None
    last_end: int = 0
    ends: tuple[int, ...] = ()


class TakeoverState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a successor needs to go on as its predecessor would have; stored with every step of the committed position.

    ``text`` and ``end_sample`` are the last final's, for the decodes after it. ``language``: the one that was decided
    on; while that is open, ``voice`` is int16 audio of what was said so far, ``voiced_ms`` long without its margins.
    """

    language: str | None = None
    text: str = ""
    end_sample: int = 0
    hearing: VadCheckpoint | None = None
    voice: bytes = b""
    voiced_ms: int = 0


class SessionState(msgspec.Struct, frozen=True):
    """One read of the session's hash; positions are those of docs/architecture.md. ``partial``: event number of the
    partial that stands, 0 for none. ``start_samples``: where this epoch's audio begins."""

    epoch: str
    config: SessionConfig
    state: str
    audio_seq: int
    pcm_seq: int
    consumed_seq: int
    event: int
    partial: int
    finals: int
    start_samples: int
    committed_samples: int
    committed_seq: int
    context: TakeoverState


_config_decoder = msgspec.json.Decoder(SessionConfig)
_context_decoder = msgspec.json.Decoder(TakeoverState)


def session_state(fields: Mapping[bytes, bytes]) -> SessionState:
    """Reads the hash that open_session.lua wrote. Raises KeyError or msgspec.DecodeError on a foreign hash."""

    def number(name: bytes) -> int:
        return int(fields.get(name, b"0"))

    return SessionState(
        epoch=fields[b"epoch"].decode(),
        config=_config_decoder.decode(fields[b"config"]),
        state=fields[b"state"].decode(),
        audio_seq=number(b"audio_seq"),
        pcm_seq=number(b"pcm_seq"),
        consumed_seq=number(b"consumed_seq"),
        event=number(b"event"),
        partial=number(b"partial"),
        finals=number(b"finals"),
        start_samples=number(b"start_samples"),
        committed_samples=number(b"committed_samples"),
        committed_seq=number(b"committed_seq"),
        context=_context_decoder.decode(fields.get(b"context") or b"{}"),
    )


def decode_config(packed: bytes) -> SessionConfig:
    """Reads what ``encode_json`` made of a config. Raises msgspec.DecodeError."""
    return _config_decoder.decode(packed)


def encode_json(value: Any) -> bytes:
    """JSON of any message struct."""
    return msgspec.json.encode(value)
