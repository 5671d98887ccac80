"""What a Wyoming client asks for, as parameters of a live session, and what it is told of the models."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from stt_cli.bridge.wyoming_wire import Message, WireError
from stt_cli.http.readiness import Health
from stt_gateway.core.requests.language_names import LANGUAGES
from stt_gateway.core.requests.vocabulary import MAX_KEYTERMS, MAX_PHRASE_CHARS

SAMPLE_BYTES = 2
T = TypeVar("T")
_ATTRIBUTION = {"name": "OpenAI", "url": "https://github.com/openai/whisper"}


class AudioFormat(msgspec.Struct, frozen=True):
    """Format of bare samples, as `audio-start` and each `audio-chunk` have it. ``width``: bytes of a sample."""

    rate: Annotated[int, msgspec.Meta(ge=4000, le=384_000)]
    width: int
    channels: Annotated[int, msgspec.Meta(ge=1, le=8)]


class Transcribe(msgspec.Struct, frozen=True):
    """What `transcribe` asks for. The model's name has no effect: what runs does the work."""

    language: str | None = None
    transcript_names: list[str] | None = None
    transcript_terms: list[str] | None = None

    def parameters(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of the session: ``given``, and what is asked for."""
        parameters = dict(given)
        if self.language:
            # A choice of languages may not go with one.
            parameters.pop("languages", None)
            parameters["language"] = self.language
        names = [*given.get("keyterms", "").split(","), *(self.transcript_names or ()), *(self.transcript_terms or ())]
        if keyterms := _keyterms(names):
            parameters["keyterms"] = ",".join(keyterms)
        return parameters


class Refusal(NamedTuple):
    """Why a client cannot be served: an error's code and text."""

    code: str
    text: str


def audio_format(message: Message) -> AudioFormat:
    """Return the format of the audio. Raises WireError if it cannot be heard."""
    found = _converted(message, AudioFormat)
    if found.width != SAMPLE_BYTES:
        raise WireError(f"{message.type}: width={found.width}; samples of {SAMPLE_BYTES} bytes are heard")
    return found


def transcribe(message: Message) -> Transcribe:
    """Return what a `transcribe` asks for. Raises WireError."""
    return _converted(message, Transcribe)


def info_of(health: Health, parameters: Mapping[str, str], version: str) -> dict[str, Any] | Refusal:
    """Return the data of `info`: the models that run. Languages of ``parameters`` are the only ones."""
    if not health.status:
        return Refusal("unreachable", "the suite does not answer")
    if not health.services:
        return Refusal("unauthorized", "the suite tells its models only with a valid key")
    found = [replica.get("detail") for replica in health.replicas if replica.get("service") == "transcriber"]
    multilingual = {str(one["model"]): bool(one.get("multilingual")) for one in found if one and "model" in one}
    if not multilingual:
        return Refusal("no_worker", "no transcriber is ready")
    artifact = {"attribution": _ATTRIBUTION, "installed": True, "version": version}
    models = [
        {"name": name, "languages": _languages(parameters, knows_all), "description": f"Whisper {name}", **artifact}
        for name, knows_all in multilingual.items()
    ]
    program = {
        "name": "stt",
        "description": "Real-time speech-to-text suite",
        "models": models,
        "supports_transcript_streaming": True,
        "requires_external_vad": True,
        **artifact,
    }
    none: dict[str, Any] = {kind: [] for kind in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return {"asr": [program], **none}


def _languages(parameters: Mapping[str, str], knows_all: bool) -> list[str]:
    if not knows_all:
        return ["en"]
    chosen = f"{parameters.get('language', '')},{parameters.get('languages', '')}".split(",")
    return [code for code in chosen if code in LANGUAGES] or list(LANGUAGES)


def _keyterms(names: Iterable[str]) -> list[str]:
    """Return as many names as a session takes, the first ones: a house may have more."""
    phrases = (" ".join(name.replace(",", " ").split()) for name in names)
    kept = dict.fromkeys(phrase for phrase in phrases if 0 < len(phrase) <= MAX_PHRASE_CHARS and phrase.isprintable())
    return list(kept)[:MAX_KEYTERMS]


def _converted(message: Message, kind: type[T]) -> T:
    try:
        return msgspec.convert(message.data, kind)
    except msgspec.ValidationError as error:
        raise WireError(f"{message.type}: {error}") from None
