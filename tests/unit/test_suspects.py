"""Which of two decodes is believed."""

import pytest

from stt_transcriber.engines.suspects import Candidate, better_of
from stt_transcriber.engines.words import compression_ratio

pytestmark = pytest.mark.unit


def decoded(text: str, logprob: float, *, truncated: bool = False) -> Candidate:
    return Candidate(text, logprob, compression_ratio(text), truncated)


CHANT = "we shall not be moved " * 8
LOOP = "and so on and on " * 8


@pytest.mark.parametrize(
    ("first", "second", "believed"),
    [
        (decoded(CHANT, -0.1), decoded("We shall not be moved, we shall Not be moved. " * 4, -0.3), "first"),
        (decoded(LOOP, -0.1), decoded("the committee met at nine and heard both sides", -0.4), "second"),
        (decoded(LOOP, -0.1), decoded("gr xx the of", -1.4), "first"),
        (decoded(CHANT, -0.1, truncated=True), decoded("something else", -0.9), "second"),
        (decoded("a guess", -1.3), decoded("a better guess", -0.8), "second"),
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
