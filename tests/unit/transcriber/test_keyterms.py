"""Bonus of keyterms: the trie, on a tokenizer whose tokens are pairs of letters, with the space before them."""

import math
import re

import numpy as np
import pytest

from stt_transcriber.engines import keyterms
from stt_transcriber.engines.keyterms import BEGINNING, BOOST, Keyterms

pytestmark = pytest.mark.unit
END = 10_000
UNLIKELY = -20.0
"""Log-probability that leaves room for every bonus."""


class Letters:
    """Tokenizer: a token is up to two letters, with a space before them if there is one, or a mark."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, text: str) -> list[int]:
        parts = re.findall(r" ?[\u4e00-\u9fff]| ?[^\W_]{1,2}| ?[\W_]", text)
        self.texts += [part for part in parts if part not in self.texts]
        return [self.texts.index(part) for part in parts]

    def decode(self, tokens: list[int]) -> str:
        return "".join(self.texts[token] for token in tokens)


def trie(*phrases: str) -> tuple[Keyterms, Letters]:
    letters = Letters()
    return Keyterms(phrases, letters.encode, letters.decode, END), letters


def bonus(phrases: tuple[str, ...], text: str, *, over: bool = True, logprob: float = UNLIKELY) -> float:
    """What the bonuses of a text's tokens add up to, with its end unless it may grow."""
    terms, letters = trie(*phrases)
    progress, total = BEGINNING, 0.0
    for token in [*letters.encode(text), *([END] if over else [])]:
        step = terms.advance(progress, token, logprob)
        progress, total = step.progress, total + step.gain
    return total


def whole(tokens: int) -> float:
    return sum(BOOST * (1 + math.log(depth)) for depth in range(1, tokens + 1))


@pytest.mark.parametrize(
    "text",
    [" Moon", "Moon", " a Moon", " a Moon.", ' "Moon"', " Moon's", " a Moon-base", " (Moon)", " Moon Moo"],
)
def test_a_whole_phrase_keeps_its_bonus(text: str) -> None:
    assert bonus(("Moon",), text) == pytest.approx(whole(2))


@pytest.mark.parametrize("text", [" Mo", " Moan", " Moonlight", " aMoon", " MOON", " other words", ""])
def test_anything_else_has_none_at_its_end(text: str) -> None:
    assert bonus(("Moon",), text) == pytest.approx(0)


def test_a_phrase_that_is_left_gives_its_bonus_back_at_once() -> None:
    assert bonus(("Moonlight",), " Moon", over=False) == pytest.approx(whole(2))
    assert bonus(("Moonlight",), " Moon is", over=False) == pytest.approx(0)


def test_each_time_counts() -> None:
    assert bonus(("Moon",), " Moon and Moon") == pytest.approx(2 * whole(2))


def test_a_phrase_right_after_itself_has_none() -> None:
    assert bonus(("Moon",), " Moon Moon") == pytest.approx(whole(2))
    assert bonus(("Moon", "Star"), " Moon Star") == pytest.approx(2 * whole(2))


@pytest.mark.parametrize("logprob", [-0.01, -0.5, -1.0])
def test_no_bonus_makes_a_phrase_certain(logprob: float) -> None:
    assert 0 < bonus(("Moon",), " Moon", logprob=logprob) < -2 * logprob
    assert bonus(("Moon",), " Moon", logprob=logprob) < whole(2)


def test_a_phrase_that_continues_another_keeps_the_shorter_one() -> None:
    both = ("New York", "New York Times")
    assert bonus(both, " New York") == pytest.approx(whole(4))
    assert bonus(both, " New York Times") == pytest.approx(whole(7))
    assert bonus(both, " New York Tiger") == pytest.approx(whole(4))
    assert bonus(both, " New Yorker") == pytest.approx(0)


def test_a_phrase_may_begin_within_another() -> None:
    assert bonus(("a cat sat", "cat nap"), " a cat nap") == pytest.approx(whole(4))


@pytest.mark.parametrize(
    ("phrase", "written", "counts"),
    [
        ("Moonshine", " Moonshine", True),
        ("Moonshine", " moonshine", True),
        ("moonshine", " Moonshine", True),
        ("new york", " New York", True),
        ("new york", " new york", True),
        ("  New \t York ", " New York", True),
        ("IT", " it", False),
        ("Al", " al", False),
        ("iPhone", " IPhone", True),
    ],
)
def test_the_ways_to_write_a_phrase(phrase: str, written: str, counts: bool) -> None:
    assert (bonus((phrase,), written) > 0) is counts


def test_scripts_without_spaces_have_phrases_anywhere() -> None:
    assert bonus(("東京",), "私東京人") > 0
    assert bonus(("東京",), " 東京") == pytest.approx(0), "written with a space, it is another token"


def test_no_bonus_for_what_the_model_rules_out() -> None:
    terms, letters = trie("Moon")
    first = letters.encode(" Mo")[0]
    for logprob, likely in ((-3.0, True), (keyterms.LEAST_LOGPROB - 0.1, False), (-math.inf, False)):
        logprobs = np.where(terms.tokens == first, logprob, -math.inf).astype(np.float32)
        assert (first in dict(terms.likely(BEGINNING, logprobs))) is likely
    continues = terms.advance(BEGINNING, first, UNLIKELY).progress
    second = letters.encode(" Moon")[1]
    logprobs = np.where(terms.tokens == second, -2.0, -math.inf).astype(np.float32)
    assert dict(terms.likely(continues, logprobs)) == {second: -2.0}
    assert second not in dict(terms.likely(BEGINNING, logprobs))


def test_a_token_outside_the_phrases_ends_them() -> None:
    terms, letters = trie("Moon")
    first, second = letters.encode(" Moon")
    begun = terms.advance(BEGINNING, first, UNLIKELY)
    left = terms.advance(begun.progress, second, UNLIKELY, leaves=True)
    assert left.progress.nodes == ()
    assert left.gain == pytest.approx(-begun.gain)
