"""Configuration and takeover state of a live session, both stored in the session's hash in Redis."""

import enum
from typing import Any

import msgspec

from stt_shared.contracts.speakers import SpeakerCount

AUDIO_RATE_HZ = 16000
"""Sample rate in Hz of all audio after the audio-processor."""


MAX_UTTERANCE_S = 28
"""Longest utterance that a window of 30 s takes, with the silence around it."""


class Encoding(enum.StrEnum):
    """Encodings that a client may send. The first four are bare samples; the rest are containers that FFmpeg reads."""

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
    """Task of the model: transcribe the speech, or translate it into English."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class Fillers(enum.StrEnum):
    """What becomes of fillers such as "uh"."""

    KEEP = "keep"
    REMOVE = "remove"


class Redaction(enum.StrEnum):
    """What may be redacted."""

    CARD = "card"
    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    NUMBER = "number"  # any run of three or more digits


class Vocabulary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Words of a client: ``keyterms`` are expected, ``replacements`` are phrases and what is written instead."""

    keyterms: tuple[str, ...] = ()
    replacements: dict[str, str] = {}


class VocabularyUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Change of a vocabulary; None leaves a part as it is."""

    keyterms: tuple[str, ...] | None = None
    replacements: dict[str, str] | None = None

    def applied_to(self, before: Vocabulary) -> Vocabulary:
        """Return the vocabulary after this change."""
        return Vocabulary(
            before.keyterms if self.keyterms is None else self.keyterms,
            before.replacements if self.replacements is None else self.replacements,
        )


class VocabularyChange(msgspec.Struct, frozen=True):
    """Vocabulary in force from ``position`` on, in samples of the session's audio."""

    position: int
    vocabulary: Vocabulary


class ChannelMode(enum.StrEnum):
    """What becomes of several channels."""

    MIX = "mix"  # one text for all
    SEPARATE = "separate"  # each channel has its own
    AUTO = "auto"  # separate, unless one channel holds what is on the others


class Endpointing(enum.StrEnum):
    """Rule by which a pause ends an utterance.

    AUTO: sooner or later, by whether what was said sounds finished. FIXED: always after the same silence.
    """

    AUTO = "auto"
    FIXED = "fixed"


class SessionConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The client's request, validated by the gateway; ``language`` None means that it is detected.

    ``languages``: those that are detected, () for all. ``endpointing_ms``: silence that ends an utterance, with AUTO
    one that sounds finished; ``endpointing_max_ms``: the same with AUTO if it does not. ``redact`` and
    ``redact_patterns`` (see contracts/patterns.py): what is left out of every text. ``channels``: of bare samples;
    where they are kept apart (``channel_mode`` SEPARATE, AUTO is for files), those of any encoding that have a text of
    their own. ``callback_url``: what is notified when the session ends, '' for nothing. ``known_speakers``: whether
    ``speakers`` whose voices are known to the session's tenant get their names.
    """

    sample_rate: int = AUDIO_RATE_HZ
    encoding: Encoding = Encoding.PCM_S16LE
    channels: int = 1
    language: str | None = None
    languages: tuple[str, ...] = ()
    task: Task = Task.TRANSCRIBE
    prompt: str = ""
    interim_results: bool = True
    endpointing: Endpointing = Endpointing.FIXED
    endpointing_ms: int = 500
    endpointing_max_ms: int = 1200
    conversation_id: str | None = None
    speaker: str | None = None
    store: bool = False
    keyterms: tuple[str, ...] = ()
    replacements: dict[str, str] = {}
    fillers: Fillers = Fillers.KEEP
    speakers: SpeakerCount | None = None
    redact: tuple[Redaction, ...] = ()
    redact_patterns: tuple[str, ...] = ()
    channel_mode: ChannelMode = ChannelMode.MIX
    callback_url: str = ""
    known_speakers: bool = False

    @property
    def channels_apart(self) -> tuple[int, ...]:
        """Numbers of the channels that are kept apart, in rising order; () if they are mixed to one."""
        return tuple(range(self.channels)) if self.channel_mode is ChannelMode.SEPARATE else ()

    @property
    def vocabulary(self) -> Vocabulary:
        """Words of the client from the beginning."""
        return Vocabulary(self.keyterms, self.replacements)

    @property
    def possible_languages(self) -> tuple[str, ...]:
        """Languages that the speech may be in; () for all."""
        return (self.language,) if self.language else self.languages

    def frame_bytes(self) -> int | None:
        """Return the bytes of one sample of all channels together; None for a container."""
        size = self.encoding.bytes_per_sample
        return None if size is None else size * self.channels


class VadCheckpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """VAD state at ``position``, which is at or before the committed position.

    The next owner processes the audio from there on and finds the same utterances. ``voice``: opaque state of the
    ``VadModel``. ``gate``: state of the ``VadGate``. ``open_start``: start of the utterance that was open at
    ``position``; ``last_end``: end of the utterance before it. ``ends``: ends of the later utterances that are settled;
    the final of the last one may cover its audio only up to the committed position.
    """

    position: int
    voice: bytes
    gate: tuple[int, int, bool, int, int, int, int]
    open_start: int | None = None
    last_end: int = 0
    ends: tuple[int, ...] = ()


class SaidWord(msgspec.Struct, frozen=True, array_like=True):
    """Word as it was decoded, at its position in the session's audio. ``space_before``: white space precedes it."""

    text: str
    start_ms: int
    end_ms: int
    space_before: bool = True


class AcousticContext(msgspec.Struct, frozen=True):
    """End of the speech that is settled: its audio from ``begin_sample`` on is kept, and holds just these words."""

    begin_sample: int
    words: tuple[SaidWord, ...]
    language: str


class TakeoverState(msgspec.Struct, frozen=True, omit_defaults=True):
    """State that the next owner needs to continue as the previous owner would have.

    It is stored whenever the committed position moves. ``text`` and ``end_sample`` are those of the last final, for the
    decodes after it. ``spoken``: weights of the languages spoken so far, the highest first; empty if
    they are not detected. ``vocabularies``: those that replaced the one of the query. ``acoustic_context``: what the
    next final hears before its own audio; None: nothing, so no settled audio is needed. ``channels``: of a session
    whose channels are kept apart, the state of each, in their order; then nothing else is set but ``vocabularies``.
    """

    text: str = ""
    end_sample: int = 0
    hearing: VadCheckpoint | None = None
    spoken: dict[str, float] = {}
    vocabularies: tuple[VocabularyChange, ...] = ()
    channels: tuple["ChannelState", ...] = ()
    acoustic_context: AcousticContext | None = None


class ChannelState(msgspec.Struct, frozen=True):
    """State of one channel, whose audio before ``samples`` is settled and which needs the frames after ``seq``.

    Its vocabularies are those of the session with the numbers ``vocabularies`` (from 0), and not in ``state``.
    """

    samples: int
    seq: int
    state: TakeoverState
    vocabularies: tuple[int, ...] = ()


_config_decoder = msgspec.json.Decoder(SessionConfig)


def decode_config(packed: bytes) -> SessionConfig:
    """Decode a config encoded by ``encode_json``. Raises msgspec.DecodeError."""
    return _config_decoder.decode(packed)


def encode_json(value: Any) -> bytes:
    """Encode any message struct as JSON."""
    return msgspec.json.encode(value)
