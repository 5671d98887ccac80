"""What a client asks of its session, as OpenAI's Realtime API has it now (GA) and had it before (beta)."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class Format(msgspec.Struct, frozen=True, omit_defaults=True):
    """Format of the audio. ``rate`` in Hz, of PCM alone."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: int | None = None


class Transcription(msgspec.Struct, frozen=True, omit_defaults=True):
    """Options of the model; None is as good as nothing."""

    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    languages: list[str] | UnsetType | None = UNSET
    prompt: str | UnsetType | None = UNSET
    keywords: list[str] | UnsetType | None = UNSET
    delay: str | UnsetType | None = UNSET


class TurnDetection(msgspec.Struct, frozen=True):
    """What ends a turn: a silence, or the end of what is meant."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


class AudioInput(msgspec.Struct, frozen=True):
    """What is said of the audio, in the present form."""

    format: Format | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    noise_reduction: dict[str, Any] | UnsetType | None = UNSET


class _Audio(msgspec.Struct, frozen=True):
    input: AudioInput | UnsetType | None = UNSET


class SessionUpdate(msgspec.Struct, frozen=True):
    """Session as a client describes it in either form; what is left out stays as it is."""

    type: Literal["transcription"] | UnsetType | None = UNSET
    audio: _Audio | UnsetType | None = UNSET
    include: list[str] | UnsetType | None = UNSET
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | UnsetType | None = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    input_audio_noise_reduction: dict[str, Any] | UnsetType | None = UNSET

    @property
    def input(self) -> AudioInput:
        """The same, whatever the form."""
        given = self.audio.input if isinstance(self.audio, _Audio) else UNSET
        return given if isinstance(given, AudioInput) else self._flat_input()

    def _flat_input(self) -> AudioInput:
        name = self.input_audio_format
        return AudioInput(
            Format(BETA_FORMATS[name]) if isinstance(name, str) else UNSET,
            self.input_audio_transcription,
            self.turn_detection,
            self.input_audio_noise_reduction,
        )


BETA_FORMATS: dict[str, Literal["audio/pcm", "audio/pcmu", "audio/pcma"]] = {
    "pcm16": "audio/pcm",
    "g711_ulaw": "audio/pcmu",
    "g711_alaw": "audio/pcma",
}
"""Names of formats before and now."""
