"""Phrases that a client expects, as it may write them in a query, a form or a message."""

import unicodedata
from collections.abc import Iterable

from stt_gateway.core.requests.parameters import NotAllowed, Parameter, quoted

MAX_KEYTERMS = 100
MAX_PHRASE_CHARS = 100


def keyterms_of(phrases: Iterable[str]) -> tuple[str, ...]:
    """Return the phrases without surrounding white space, empty ones and repetitions. Raises NotAllowed."""
    kept = tuple(dict.fromkeys(phrase for given in phrases if (phrase := checked_phrase(given))))
    if len(kept) > MAX_KEYTERMS:
        raise NotAllowed(f"at most {MAX_KEYTERMS} phrases (there are {len(kept)})")
    return kept


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
