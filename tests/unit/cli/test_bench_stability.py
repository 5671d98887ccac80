"""Stable text that changes is counted."""

import pytest

from stt_cli.bench.stability import StabilityWatch

pytestmark = pytest.mark.unit


def test_stable_text_may_grow_but_not_change_until_the_final_which_may_correct_it() -> None:
    watch = StabilityWatch(str.lower)
    watch.partial(1, "one two", "one")
    watch.partial(1, "one too three", "one too")
    watch.partial(2, "four", "")
    assert watch.counts.violations == 0
    watch.partial(1, "one two three", "one two")
    assert watch.counts.violations == 1
    watch.final(1, "One to three.")
    watch.final(2, "four")
    counts = watch.counts
    assert (counts.partials, counts.violations, counts.stable_words, counts.corrected_words) == (4, 1, 2, 1)
