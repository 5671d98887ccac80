"""What a live session was asked to do, and how far it is; both lie in the session's hash in Redis."""

import enum
from collections.abc import Mapping
from typing import Any

import msgspec

TARGET_SAMPLE_RATE = 16000
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

    sample_rate: int = TARGET_SAMPLE_RATE
    encoding: Encoding = Encoding.PCM_S16LE
    channels: int = 1
    language: str | None = None
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    interim_results: bool = True
    endpointing_ms: int = 500
    conversation_id: str | None = None
    speaker: str | None = None

    def frame_bytes(self) -> int | None:
        """Bytes of one sample of all channels together; None for a container."""
        size = self.encoding.bytes_per_sample
        return None if size is None else size * self.channels


class CarriedContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the next utterance takes over from the last final; stored with it, so that a successor decodes the same."""

    language: str | None = None
    text: str = ""
    end_sample: int = 0


class SessionState(msgspec.Struct, frozen=True):
    """One read of the session's hash; positions are those of docs/architecture.md."""

    epoch: str
    config: SessionConfig
    state: str
    audio_seq: int
    pcm_seq: int
    consumed_seq: int
    event: int
    finals: int
    committed_samples: int
    committed_seq: int
    context: CarriedContext


_config_decoder = msgspec.json.Decoder(SessionConfig)
_context_decoder = msgspec.json.Decoder(CarriedContext)


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
        finals=number(b"finals"),
        committed_samples=number(b"committed_samples"),
        committed_seq=number(b"committed_seq"),
        context=_context_decoder.decode(fields.get(b"context") or b"{}"),
    )


def encode_json(value: Any) -> bytes:
    """JSON of any message struct."""
    return msgspec.json.encode(value)
