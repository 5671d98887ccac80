"""Names of models that OpenAI's clients ask for; whatever they name, the model that the transcribers run does it."""

from collections.abc import Sequence
from typing import Any

from stt_gateway.core.requests.parameters import quoted
from stt_shared.contracts.errors import SttError

DEFAULT_NAMES = (
    "whisper-1,gpt-transcribe,gpt-4o-transcribe,gpt-4o-mini-transcribe,gpt-4o-mini-transcribe-2025-12-15,"
    "gpt-4o-transcribe-diarize"
)
_MAX_NAME_CHARS = 128
_DIARIZE = "-diarize"


def names_of(listed: str) -> tuple[str, ...]:
    """Return the names of a list with commas between them, each once. Raises ValueError."""
    names = tuple(dict.fromkeys(name for part in listed.split(",") if (name := part.strip())))
    if any(len(name) > _MAX_NAME_CHARS or not name.isprintable() or " " in name for name in names):
        raise ValueError(f"names of at most {_MAX_NAME_CHARS} visible characters, separated by commas")
    return names


def check_model(name: str, known: Sequence[str]) -> None:
    """Raise SttError not_found for a model that is none of ``known``."""
    if name not in known:
        there_are = ", ".join(known) or "none"
        raise SttError("not_found", f"the model {quoted(name)} does not exist; there are {there_are}", param="model")


def tells_speakers_apart(name: str) -> bool:
    """Return whether a model of this name tells speakers apart."""
    return name.endswith(_DIARIZE)


def model_entry(name: str) -> dict[str, Any]:
    """Return one model as OpenAI describes it; when it was made is not known."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "realtime-stt-suite"}


def model_list(names: Sequence[str]) -> dict[str, Any]:
    """Return the list of models as OpenAI has it."""
    return {"object": "list", "data": [model_entry(name) for name in names]}
