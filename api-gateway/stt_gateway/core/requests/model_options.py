"""Options of the model, for live sessions and files alike."""

import re
from typing import NamedTuple

from stt_gateway.core.requests.languages import language_of, languages_of
from stt_gateway.core.requests.parameters import Given, NotAllowed, Parameter, choice, flag, text
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Task
from stt_shared.contracts.speakers import MAX_SPEAKERS, SpeakerCount

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


def _speakers_of(value: str) -> SpeakerCount:
    if value == "auto":
        return SpeakerCount()
    least, dash, most = value.partition("-")
    numbers = [
        part for part in ((least, most) if dash else (least, least)) if re.fullmatch(r"[1-9]\d?", part, re.ASCII)
    ]
    if len(numbers) < 2 or not int(numbers[0]) <= int(numbers[1]) <= MAX_SPEAKERS:
        raise NotAllowed(f"auto, a whole number from 1 to {MAX_SPEAKERS}, or two such numbers as in 2-4")
    return SpeakerCount(int(numbers[0]), int(numbers[1]))


SPEAKERS = Parameter[SpeakerCount | None](
    "speakers",
    None,
    _speakers_of,
    {"type": "string", "pattern": r"^(auto|[1-9]\d?(-[1-9]\d?)?)$"},
    f"Tell speakers apart: auto, their number (at most {MAX_SPEAKERS}), or the least and most, as in 2-4.",
)
KNOWN_SPEAKERS = flag(
    "known_speakers",
    False,
    "Call speakers whose voices are enrolled by their names; without `speakers`, that is `auto`.",
)


def requested_speakers(given: Given) -> SpeakerCount | None:
    """Return how many speakers are to be told apart, None if they are not."""
    return given[SPEAKERS] or (SpeakerCount() if given[KNOWN_SPEAKERS] else None)


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
