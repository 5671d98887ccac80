"""Options of the model, for live sessions and files alike."""

from stt_gateway.core.requests.languages import LANGUAGES, code_of
from stt_gateway.core.requests.parameters import NotAllowed, Parameter, choice, text
from stt_shared.contracts.session import Task

MAX_PROMPT_CHARS = 1000


def _parse_language(value: str) -> str | None:
    if value in ("", "auto"):
        return None
    code = code_of(value)
    if code not in LANGUAGES:
        raise NotAllowed("auto or a language code that Whisper knows, such as en, de or zh")
    return code


LANGUAGE = Parameter(
    "language",
    None,
    _parse_language,
    {"type": "string"},
    "auto, or the code of the language spoken; its region (en-US) is ignored.",
)
TASK = choice("task", Task, Task.TRANSCRIBE, "Write what was said, or translate it into English.")
PROMPT = text("prompt", MAX_PROMPT_CHARS, "Names and terms to expect.")
