"""Words of a client, as it may write them in a query, a form or a message."""

import unicodedata
from collections.abc import Iterable, Mapping

import msgspec

from stt_gateway.core.requests.parameters import NotAllowed, Parameter, choice, quoted
from stt_shared.contracts.session import Fillers

MAX_KEYTERMS = 100
MAX_REPLACEMENTS = 200
MAX_PHRASE_CHARS = 100


def keyterms_of(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return the phrases without surrounding white space, empty ones and repetitions. Raises NotAllowed."""
    kept = tuple(dict.fromkeys(phrase for given in phrases if (phrase := checked_phrase(given))))
    if len(kept) > MAX_KEYTERMS:
        raise NotAllowed(f"at most {MAX_KEYTERMS} phrases (there are {len(kept)})")
    return kept


def replacements_of(given: Mapping[str, str]) -> dict[str, str]:
    """Return the phrases and their replacements with single spaces. Raises NotAllowed."""
    kept = {checked_phrase(find): checked_phrase(text) for find, text in given.items()}
    if len(kept) > MAX_REPLACEMENTS:
        raise NotAllowed(f"at most {MAX_REPLACEMENTS} phrases (there are {len(kept)})")
    if not all(any(character.isalnum() for character in find) for find in kept):
        raise NotAllowed("phrases with a letter or a digit, each with what is written instead")
    return kept


def _parsed(value: str) -> dict[str, str]:
    try:
        return replacements_of(msgspec.json.decode(value, type=dict[str, str]))
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise NotAllowed('a JSON object of texts, such as {"find": "replace"}') from None


def checked_phrase(given: str) -> str:
    """Return a phrase with single spaces. Raises NotAllowed if it is too long or has control characters."""
    phrase = " ".join(given.split())
    if len(phrase) > MAX_PHRASE_CHARS:
        raise NotAllowed(f"phrases of at most {MAX_PHRASE_CHARS} characters ({quoted(phrase)} has {len(phrase)})")
    if any(unicodedata.category(char) == "Cc" for char in phrase):
        raise NotAllowed("phrases without control characters")
    return phrase


KEYTERMS = Parameter[tuple[str, ...]](
    "keyterms",
    (),
    lambda value: keyterms_of(value.split(",")),
    {"type": "string"},
    f"Names and terms to favour where they may have been said: up to {MAX_KEYTERMS} phrases, separated by commas.",
)
REPLACEMENTS = Parameter[dict[str, str]](
    "replacements",
    {},
    _parsed,
    {"type": "string", "contentMediaType": "application/json"},
    f"Up to {MAX_REPLACEMENTS} phrases and what is written instead, as a JSON object.",
)
FILLERS = choice("fillers", Fillers, Fillers.KEEP, "Keep or remove fillers such as uh.")
