"""Agreement where the engine tells which words it heard to their end."""

import pytest

from stt_transcriber.core.text.agreement import Agreement, PlacedWord

pytestmark = pytest.mark.unit


def placed(text: str, start_ms: int = 0) -> list[PlacedWord]:
    return [PlacedWord(word, start_ms + i * 400, start_ms + i * 400 + 300, 0.9) for i, word in enumerate(text.split())]


def texts(words: list[PlacedWord]) -> list[str]:
    return [word.text for word in words]


@pytest.mark.parametrize(("safe_words", "stable"), [(None, 3), (5, 3), (3, 3), (2, 2), (0, 0)])
def test_a_word_that_was_not_heard_to_its_end_waits(safe_words: int | None, stable: int) -> None:
    agreement = Agreement(margin_ms=300)
    for _ in range(2):
        agreement.update(placed("one two three four"), 5000, safe_words)
    assert len(agreement.stable) == stable
    assert texts([*agreement.stable, *agreement.unstable]) == ["one", "two", "three", "four"]


def test_what_was_heard_once_is_not_stable_however_safe() -> None:
    agreement = Agreement(margin_ms=300)
    agreement.update(placed("one two three four"), 5000, 4)
    assert agreement.stable == []
    agreement.update(placed("won two three four"), 5000, 4)
    assert agreement.stable == []


def test_safe_words_count_the_stable_ones_that_come_again() -> None:
    agreement = Agreement(margin_ms=300)
    for _ in range(2):
        agreement.update(placed("one two three four"), 5000, 2)
    assert texts(agreement.stable) == ["one", "two"]
    agreement.update(placed("one two three four"), 5000, 3)
    assert texts(agreement.stable) == ["one", "two", "three"]


def test_stable_words_stay_when_the_engine_grows_unsure() -> None:
    agreement = Agreement(margin_ms=300)
    for _ in range(2):
        agreement.update(placed("one two three four"), 5000, 4)
    agreement.update(placed("one two three four"), 5000, 0)
    assert texts(agreement.stable) == ["one", "two", "three"]
    assert texts(agreement.unstable) == ["four"]
