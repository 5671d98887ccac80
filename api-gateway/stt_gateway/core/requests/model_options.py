"""Options of the model, for live sessions and files alike."""

from stt_gateway.core.requests.languages import language_of
from stt_gateway.core.requests.parameters import Parameter, choice, text
from stt_shared.contracts.session import Task

MAX_PROMPT_CHARS = 1000


LANGUAGE = Parameter(
    "language",
    None,
    language_of,
    {"type": "string"},
    "auto, or the code or name of the language spoken; its region (en-US) is ignored.",
)
TASK = choice("task", Task, Task.TRANSCRIBE, "Write what was said, or translate it into English.")
PROMPT = text("prompt", MAX_PROMPT_CHARS, "Names and terms to expect.")
