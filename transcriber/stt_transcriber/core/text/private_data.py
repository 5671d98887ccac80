"""Patterns of private data in recognised speech, as Whisper writes it: digits in groups of any size. Pure."""

import functools
import re
from collections.abc import Callable

from stt_shared.contracts.patterns import Pattern
from stt_shared.contracts.session import Redaction

Check = Callable[[str], bool]
"""Whether a match, in lower case, is what it looks like."""

_MAX_STATES = 5000
_BETWEEN = "[ .,-]{0,2}"
_WORD = r"[\w%+-]+"
_DOMAINS = "(com|org|net|edu|gov|info|io|co|eu|uk|us|de|at|ch|fr|be|es|it|nl|pl|pt|se|dk|no|fi|ru|br|ca|au|in|jp|cn)"


def _spoken_address(at: str, dot: str) -> str:
    return f"( {at} {_WORD}({dot}{_WORD})*{dot}{_DOMAINS})"


_PATTERNS = {
    Redaction.CARD: rf"\d({_BETWEEN}\d){{12,18}}",
    Redaction.NUMBER: r"\d([ .,:/-]{0,2}\d){2,}",
    Redaction.IBAN: rf"[a-z]{{2}}{_BETWEEN}\d{_BETWEEN}\d({_BETWEEN}[a-z]{{4}})?({_BETWEEN}[a-z]{{0,6}}\d[a-z0-9]*)+",
    Redaction.PHONE: (
        r"\+ ?\d([ ()./-]{0,3}\d){6,14}"  # international
        r"|\(?0([ ()./-]{0,3}\d){6,14}"  # with a trunk prefix
        r"|(1[ .-])?\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]{1,2}\d{4}"  # North American
        r"|\d{3}-\d{4}|1?\d{10}"
    ),
    Redaction.EMAIL: (
        rf"{_WORD}((\.| (dot|punkt|point|punto) ){_WORD})*"
        rf"( ?@ ?{_WORD}((\.| (dot|punkt|point|punto) ){_WORD})+"
        + "|".join(
            [
                "",
                _spoken_address("at", r"( dot |\.)"),
                _spoken_address("(at|ät)", r"( punkt |\.)"),
                _spoken_address("arobase", r"( point |\.)"),
                _spoken_address("(arroba|chiocciola)", r"( punto |\.)"),
            ]
        )
        + ")"
    ),
}
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}(?!\d)")


@functools.cache
def pattern_of(kind: Redaction) -> Pattern:
    """Return the pattern that finds this kind of data."""
    return Pattern(_PATTERNS[kind], _MAX_STATES)


def check_of(kind: Redaction) -> Check:
    """Return the check of what the pattern found."""
    return {Redaction.CARD: is_card, Redaction.IBAN: is_iban, Redaction.PHONE: is_no_date}.get(kind, _any)


def is_card(text: str) -> bool:
    """Check the last digit of a card's number (Luhn)."""
    total = 0
    for place, digit in enumerate(reversed(_digits(text))):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def is_iban(text: str) -> bool:
    """Check length and check digits (modulo 97) of an IBAN."""
    letters = re.sub(r"[^a-z0-9]", "", text)
    if not 15 <= len(letters) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in letters[4:] + letters[:4])) % 97 == 1


def is_no_date(text: str) -> bool:
    """Check that a number of a telephone does not begin as a date does."""
    return _DATE.match(text) is None


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _any(_: str) -> bool:
    return True
