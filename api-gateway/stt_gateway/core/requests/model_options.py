"""Options of the model, for live sessions and files alike."""

from typing import NamedTuple

from stt_gateway.core.requests.languages import language_of, languages_of
from stt_gateway.core.requests.parameters import Given, Parameter, choice, text
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Task

MAX_PROMPT_CHARS = 1000


LANGUAGE = Parameter(
    "language",
    None,
    language_of,
    {"type": "string"},
    "auto, or the code or name of the language spoken; its region (en-US) is ignored.",
)
LANGUAGES = Parameter[tuple[str, ...] | None](
    "languages",
    None,
    languages_of,
    {"type": "string"},
    "Languages of which each utterance is in one, separated by commas: only these are detected; auto for any.",
)
TASK = choice("task", Task, Task.TRANSCRIBE, "Write what was said, or translate it into English.")
PROMPT = text("prompt", MAX_PROMPT_CHARS, "Names and terms to expect.")


class Languages(NamedTuple):
    """``language``: the one that was set, None if it is detected; ``languages``: those to choose from, () for all."""

    language: str | None
    languages: tuple[str, ...]


def requested_languages(given: Given, default: tuple[str, ...]) -> Languages:
    """Return the languages of a request; ``default``: the choice if it names none. Raises SttError bad_config."""
    language, languages = given[LANGUAGE], given[LANGUAGES]
    if language is None:
        choice_ = default if languages is None else languages
        return Languages(choice_[0], ()) if len(choice_) == 1 else Languages(None, choice_)
    if languages is not None:
        raise SttError(
            "bad_config",
            f"language={language} and languages are given together; "
            "give language for the only one, or languages for a choice",
        )
    return Languages(language, ())
