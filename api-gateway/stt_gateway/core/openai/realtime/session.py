"""Configuration of a client of OpenAI's Realtime API, and what it means for a live session."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from stt_gateway.core.openai.models import tells_speakers_apart
from stt_gateway.core.openai.realtime.update import BETA_FORMATS, Format, SessionUpdate, Transcription, TurnDetection
from stt_gateway.core.requests.model_options import MAX_PROMPT_CHARS
from stt_gateway.core.requests.session_request import Defaults, SessionRequest, session_request
from stt_shared.contracts.errors import SttError

LOGPROBS = "item.input_audio_transcription.logprobs"
PCM_HZ = 24_000
PADDING_MS = 300
SILENCE_MS = 500
LEAST_SILENCE_MS, MOST_SILENCE_MS = 100, 5000
_G711_HZ = 8000
_MAX_MODEL_CHARS = 128
_ENCODINGS = {"audio/pcm": "pcm_s16le", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
_EAGERNESS = {"low": (800, 4000), "high": (300, 800)}
"""Silence that ends a turn which sounds finished, and one that does not; otherwise the server's own."""
_PARAMS = {"encoding": "format", "sample_rate": "format.rate", "keyterms": "transcription.keywords"}

_PCM, _SERVER_VAD = Format(), TurnDetection()

T = TypeVar("T")


@dataclass(frozen=True)
class RealtimeSession:
    """What a client has asked for so far. ``turn_detection`` None: the client commits.

    ``native``: parameters of the native API from the query of the handshake.
    """

    model: str = ""
    format: Format = _PCM
    language: str = ""
    languages: tuple[str, ...] = ()
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    delay: str | None = None
    turn_detection: TurnDetection | None = _SERVER_VAD
    noise_reduction: dict[str, Any] | None = None
    include: tuple[str, ...] = ()
    native: tuple[tuple[str, str], ...] = ()

    @property
    def has_logprobs(self) -> bool:
        """Whether completed texts have their log probabilities."""
        return LOGPROBS in self.include

    @property
    def padding_ms(self) -> int:
        """How long before the voice an item begins."""
        given = self.turn_detection.prefix_padding_ms if self.turn_detection else None
        return PADDING_MS if given is None else max(0, given)

    @property
    def bytes_per_ms(self) -> float:
        """Bytes of a millisecond of audio."""
        return self.rate * (2 if self.format.type == "audio/pcm" else 1) / 1000

    @property
    def rate(self) -> int:
        """Sample rate of the audio in Hz."""
        return (self.format.rate or PCM_HZ) if self.format.type == "audio/pcm" else _G711_HZ

    def from_query(self, pairs: Iterable[tuple[str, str]], native: Collection[str]) -> "RealtimeSession":
        """Return the session with what the query of the handshake says. ``native``: names of the native API."""
        given = list(pairs)
        model = dict(given).get("model", self.model)[:_MAX_MODEL_CHARS]
        return replace(self, model=model, native=tuple(pair for pair in given if pair[0] in native))

    def updated(self, update: SessionUpdate) -> "RealtimeSession":
        """Return the session with what an update names."""
        given, spoken = update.input, self._spoken(update.input.transcription)
        return replace(
            spoken,
            format=_chosen(given.format, self.format, _PCM),
            turn_detection=_chosen(given.turn_detection, self.turn_detection, None),
            noise_reduction=_chosen(given.noise_reduction, self.noise_reduction, None),
            include=tuple(_chosen(update.include, self.include, ())),
        )

    def request(self, defaults: Defaults) -> SessionRequest:
        """Return the request for the live session. Raises SttError bad_config."""
        pairs = [*self.native, ("encoding", _ENCODINGS[self.format.type]), ("sample_rate", str(self.rate))]
        if self.languages:
            pairs.append(("languages", ",".join(self.languages)))
        elif self.language:
            pairs.append(("language", self.language))
        if self.prompt:
            pairs.append(("prompt", self.prompt[-MAX_PROMPT_CHARS:]))
        if self.keywords:
            pairs.append(("keyterms", ",".join(self.keywords)))
        if tells_speakers_apart(self.model) and all(name != "speakers" for name, _ in self.native):
            pairs.append(("speakers", "auto"))
        try:
            return session_request([*pairs, *self._endpointing()], defaults)
        except SttError as error:
            name = next((name for name, _ in pairs if error.message.startswith(f"{name}=")), "")
            param = _PARAMS.get(name, f"transcription.{name}") if name else ""
            raise SttError("bad_config", error.message, param=f"session.audio.input.{param}" if param else "") from None

    def _spoken(self, given: Transcription | UnsetType | None) -> "RealtimeSession":
        if not isinstance(given, Transcription):
            return self
        language, languages = given.language, given.languages
        # Of a language and a choice of them, the one that was named last is meant.
        if languages:
            language = ""
        elif language:
            languages = []
        return replace(
            self,
            model=_chosen(given.model, self.model, self.model),
            language=_chosen(language, self.language, ""),
            languages=tuple(_chosen(languages, self.languages, ())),
            prompt=_chosen(given.prompt, self.prompt, ""),
            keywords=tuple(_chosen(given.keywords, self.keywords, ())),
            delay=_chosen(given.delay, self.delay, None),
        )

    def _endpointing(self) -> list[tuple[str, str]]:
        found = self.turn_detection
        if found is not None and found.type == "server_vad":
            return [("endpointing", "fixed"), ("endpointing_ms", str(silence_ms(found)))]
        pairs = [("endpointing", "auto")]
        if found is not None and found.eagerness in _EAGERNESS:
            base_ms, longest_ms = _EAGERNESS[found.eagerness]
            pairs += [("endpointing_ms", str(base_ms)), ("endpointing_max_ms", str(longest_ms))]
        return pairs

    def view(self, session_id: str) -> dict[str, Any]:
        """Return the session in the present form."""
        audio_input = {
            "format": self._format_view(),
            "transcription": self._transcription_view(),
            "noise_reduction": self.noise_reduction,
            "turn_detection": self._turn_detection_view(),
        }
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {"input": audio_input},
            "include": list(self.include) or None,
        }

    def beta_view(self, session_id: str) -> dict[str, Any]:
        """Return the session in the form of the beta."""
        names = {now: before for before, now in BETA_FORMATS.items()}
        return {
            "id": session_id,
            "object": "realtime.transcription_session",
            "modalities": ["text", "audio"],
            "input_audio_format": names[self.format.type],
            "input_audio_transcription": self._transcription_view(),
            "input_audio_noise_reduction": self.noise_reduction,
            "turn_detection": self._turn_detection_view(),
            "include": list(self.include) or None,
        }

    def _format_view(self) -> dict[str, Any]:
        rate = {"rate": self.rate} if self.format.type == "audio/pcm" else {}
        return {"type": self.format.type, **rate}

    def _transcription_view(self) -> dict[str, Any]:
        more: dict[str, Any] = {
            "languages": list(self.languages),
            "keywords": list(self.keywords),
            "delay": self.delay,
        }
        return {
            "model": self.model or None,
            "language": self.language or None,
            "prompt": self.prompt,
            **{name: value for name, value in more.items() if value},
        }

    def _turn_detection_view(self) -> dict[str, Any] | None:
        found = self.turn_detection
        if found is None:
            return None
        if found.type == "semantic_vad":
            return {"type": found.type, "eagerness": found.eagerness or "auto"}
        return {
            "type": found.type,
            "threshold": 0.5 if found.threshold is None else found.threshold,
            "prefix_padding_ms": self.padding_ms,
            "silence_duration_ms": silence_ms(found),
        }


def silence_ms(detection: TurnDetection) -> int:
    """Return the silence that ends a turn, within what is possible."""
    given = SILENCE_MS if detection.silence_duration_ms is None else detection.silence_duration_ms
    return min(max(given, LEAST_SILENCE_MS), MOST_SILENCE_MS)


def fixed_change(begun: SessionRequest, asked: SessionRequest, *, detects: bool) -> str | None:
    """Return the name of something that a session with audio cannot change, if that is asked for.

    Keyterms can change. ``detects``: voice ends turns, so that it matters after which silence.
    """
    for name in begun.config.__struct_fields__:
        matters = name != "keyterms" and (detects or not name.startswith("endpointing"))
        if matters and getattr(begun.config, name) != getattr(asked.config, name):
            return name
    return None


def _chosen(given: T | UnsetType | None, before: T, without: T) -> T:
    """Return what is given; ``before`` if nothing is, ``without`` for null."""
    if given is UNSET or isinstance(given, UnsetType):
        return before
    return without if given is None else given
