"""The choice between two decodes of one window."""

import pytest

from stt_transcriber.engines.fallback import Candidate, better_of, words_at_once
from stt_transcriber.engines.words import compression_ratio

pytestmark = pytest.mark.unit


def decoded(text: str, logprob: float, *, truncated: bool = False) -> Candidate:
    return Candidate(text, logprob, compression_ratio(text), truncated)


STUCK = Candidate("replied she replied she replied she replied", -0.4, 1.9, truncated=False, words_at_once=7)

CHANT = "we shall not be moved " * 8
LOOP = "and so on and on " * 8


@pytest.mark.parametrize(
    ("first", "second", "believed"),
    [
        (decoded(CHANT, -0.1), decoded("We shall not be moved, we shall Not be moved. " * 4, -0.3), "first"),
        (decoded(LOOP, -0.1), decoded("the committee met at nine and heard both sides", -0.4), "second"),
        (decoded(LOOP, -0.1), decoded("gr xx the of", -1.4), "first"),
        (decoded(CHANT, -0.1, truncated=True), decoded("something else", -0.9), "second"),
        (decoded("one of ever so many words", -0.4, truncated=True), decoded("gr xx the of", -1.4), "first"),
        (decoded("one of ever so many words", -0.4, truncated=True), decoded("something else", -0.9), "second"),
        (decoded(CHANT, -0.1, truncated=True), decoded("gr xx the of", -1.4), "second"),
        (decoded("a guess", -1.3), decoded("a better guess", -0.8), "second"),
        (STUCK, decoded("replied she", -0.9), "second"),
        (decoded("replied she", -0.9), STUCK, "first"),
    ],
)
def test_repeated_speech_is_believed_and_a_loop_is_not(first: Candidate, second: Candidate, believed: str) -> None:
    assert better_of(first, second) is (first if believed == "first" else second)


def test_equal_candidates_leave_the_first() -> None:
    first, second = decoded("the same", -0.5), decoded("the same", -0.5)
    assert better_of(first, second) is first


def test_of_two_texts_that_loop_the_limit_decides_only_where_one_kept_it() -> None:
    kept, cut = decoded(LOOP, -0.9), decoded("something else", -0.1, truncated=True)
    assert better_of(kept, cut) is kept
    assert better_of(cut, kept) is kept


def test_a_text_that_stands_still_is_a_loop_though_it_compresses_like_speech() -> None:
    assert STUCK.is_suspect
    assert not Candidate(STUCK.text, STUCK.avg_logprob, STUCK.compression_ratio, truncated=False).is_suspect


@pytest.mark.parametrize(
    ("starts_s", "most"),
    [
        ([], 0),
        ([0.1], 1),
        ([0.0, 0.38, 0.9, 1.24], 1),
        ([0.0, 0.5, 0.52, 0.54, 0.56], 2),
        ([0.62, 0.94, 1.26, 1.26, 1.26, 1.28], 4),
        ([1.0, 1.0, 2.0, 2.0, 2.0, 3.0], 3),
    ],
)
def test_words_that_begin_at_one_moment_are_counted(starts_s: list[float], most: int) -> None:
    assert words_at_once(starts_s) == most
