"""Patterns: they match what Python's regular expressions match, in a time that does not depend on them."""

import random
import re
import time

import pytest

from stt_shared.contracts.patterns import Pattern, PatternError, folded

pytestmark = pytest.mark.unit
SOURCES = [
    r"a{2,4}b?",
    r"(ab|c)+d*",
    r"\d([ -]{0,2}\d){2,5}",
    r"[a-c]{1,3}[^a]x?",
    r"(a|b)*a(a|b){4}",
    r"a{3,}",
    r"(a{2}){2,3}",
    r"x(a?b?){1,3}",
    r"(?:ab){0,2}c",
    r"\w+-\d{2}",
    r"(a|)b",
    r"[]a]b",
    r"(a*)+b",
    r"((a?){2,3}b){2}",
    r"\S.\[",
]


def ends(pattern: Pattern, text: str) -> list[int]:
    """Lengths of the beginnings of ``text`` that match."""
    found, state = [], pattern.start
    for length, char in enumerate(folded(text), 1):
        state = pattern.step(state, char)
        if pattern.accepts(state):
            found.append(length)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_what_matches_is_what_python_finds(source: str) -> None:
    chosen = random.Random(source)
    pattern, reference = Pattern(source), re.compile(source, re.IGNORECASE | re.ASCII)
    for _ in range(1000):
        text = "".join(chosen.choices("aabbABcxd12 -][", k=chosen.randint(0, 9)))
        expected = [length for length in range(1, len(text) + 1) if reference.fullmatch(text, 0, length)]
        assert ends(pattern, text) == expected, text


def test_digits_dashes_and_spaces_of_all_scripts_are_equal() -> None:
    assert folded("Ä٤–\u00a0＠İß") == "ä4- @İß"
    assert ends(Pattern(r"[A-F]\d-\d"), "b٤—४") == [4]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "nothing at all"),
        ("a*|b", "nothing at all"),
        ("(", "ends too early"),
        ("(a", "ends too early"),
        ("a)", "too many"),
        ("[a", "ends too early"),
        ("\\", "ends too early"),
        ("a**", "put parentheses around it"),
        ("a{,2}", "without numbers"),
        ("a{3,2}", "less often than at least"),
        ("a{0}", "or never"),
        ("*a", "out of place"),
        ("^a", "anchors"),
        (r"a\b", "not allowed"),
        (r"(a)\1", "not allowed"),
        ("(?=a)", "assertions"),
        ("[z-a]", "is empty"),
        ("(a{99}){99}", "repeats too much"),
        ("(" * 21 + "a" + ")" * 21, "more than 20"),
    ],
)
def test_what_is_no_pattern_is_refused(source: str, complaint: str) -> None:
    with pytest.raises(PatternError, match=complaint):
        Pattern(source)


def test_no_pattern_is_slow() -> None:
    """Python's own matcher would need longer than the universe exists for the first two."""
    chosen = random.Random(1)
    for source in ("(a*)*b", "(a|a)*b", "(a|b)*a(a|b){40}"):
        pattern = Pattern(source)
        text = "".join(chosen.choices("a" if "b)*" not in source else "ab", k=1000))
        began = time.process_time()
        ends(pattern, text)
        assert time.process_time() - began < 2
