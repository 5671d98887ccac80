"""Agreement of consecutive hypotheses, also where the engine knows which words it has heard to their end."""

import pytest

from stt_transcriber.core.text.agreement import Agreement, PlacedWord
from stt_transcriber.core.text.join import join_words

pytestmark = pytest.mark.unit


def placed(text: str, start_ms: int = 0) -> list[PlacedWord]:
    return [PlacedWord(word, start_ms + i * 400, start_ms + i * 400 + 300, 0.9) for i, word in enumerate(text.split())]


def texts(words: list[PlacedWord]) -> list[str]:
    return [word.text for word in words]


class TestAgreement:
    def test_two_hypotheses_must_agree(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("the cat sat"), 1500)
        assert agreement.stable == []
        agreement.update(placed("The cat, sang a"), 2000)
        assert [word.text for word in agreement.stable] == ["The", "cat,"]
        assert [word.text for word in agreement.unstable] == ["sang", "a"]

    def test_a_word_at_the_edge_is_never_stable(self) -> None:
        agreement = Agreement(margin_ms=300)
        for _ in range(3):
            agreement.update(placed("the cat sat"), 800)
        assert [word.text for word in agreement.stable] == ["the"]

    def test_the_last_word_is_never_stable(self) -> None:
        agreement = Agreement(margin_ms=300)
        for _ in range(3):
            agreement.update(placed("much afraid."), 5000)
        agreement.update(placed("much afraid of him"), 5000)
        assert [word.text for word in [*agreement.stable, *agreement.unstable]] == ["much", "afraid", "of", "him"]

    def test_stable_words_stay_when_later_hypotheses_differ(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("one two three four"), 2500)
        agreement.update(placed("one two three four"), 2500)
        before = list(agreement.stable)
        agreement.update(placed("won too three four five"), 3000)
        assert agreement.stable[: len(before)] == before

    def test_words_that_come_again_at_the_head_of_a_trimmed_window_are_not_doubled(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("one two three more"), 5000)
        agreement.update(placed("one two three more"), 5000)
        assert len(agreement.stable) == 3
        # The window now begins within "three", whose time has wavered beyond the edge.
        agreement.update([PlacedWord("Three", 1000, 1250, 0.9), *placed("four five", 1300)], 5000)
        assert [word.text for word in agreement.unstable] == ["four", "five"]

    def test_a_word_that_is_said_twice_is_shown_twice(self) -> None:
        agreement = Agreement(margin_ms=300)
        for _ in range(2):
            agreement.update(placed("oh no no"), 5000)
        assert [word.text for word in agreement.stable] == ["oh", "no"]
        # The second "no" begins within the tolerance after the first, which is in this window too.
        agreement.update(placed("oh no no wait"), 5000)
        assert join_words([*agreement.stable, *agreement.unstable]) == "oh no no wait"

    @pytest.mark.parametrize(
        ("last", "first", "joined"),
        [
            (("learning", True), ("做", False), "machine learning做"),
            (("学习", False), ("Google", True), "machine学习Google"),
            (("learning", True), ("Google", True), "machine learning Google"),
            (("ครับ", False), ("วัน", False), "machineครับวัน"),
        ],
    )
    def test_a_window_that_begins_after_the_stable_words_invents_no_space(
        self, last: tuple[str, bool], first: tuple[str, bool], joined: str
    ) -> None:
        agreement = Agreement(margin_ms=300)
        begun = [PlacedWord("machine", 0, 300, 0.9), PlacedWord(last[0], 400, 700, 0.9, last[1])]
        for _ in range(2):
            agreement.update([*begun, PlacedWord("x", 1500, 1600, 0.9)], 2000)
        agreement.update([PlacedWord(first[0], 800, 1100, 0.9, first[1])], 2000)
        assert join_words([*agreement.stable, *agreement.unstable]) == joined

    def test_force_commits_when_hypotheses_never_agree(self) -> None:
        agreement = Agreement(margin_ms=300)
        agreement.update(placed("a b c d"), 1600)
        agreement.force(before_ms=800)
        assert [word.text for word in agreement.stable] == ["a", "b"]


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
