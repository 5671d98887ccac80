"""The new part of a text."""

import random

import pytest

from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.join import join_words, new_part

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ("the cat", "the cat sat down", "sat down"),
        ("the bat", "the cat sat", "cat sat"),
        ("", "the", "the"),
        ("the", "the", ""),
    ],
)
def test_new_part_begins_behind_the_common_words(before: str, after: str, new: str) -> None:
    def words(text: str) -> list[TimedWord]:
        return [TimedWord(word, 0.0, 1.0, 0.9) for word in text.split()]

    assert new_part(words(before), words(after)) == new


def test_a_space_that_comes_or_goes_makes_the_words_after_it_new() -> None:
    def words(*parts: tuple[str, bool]) -> list[TimedWord]:
        return [TimedWord(word, 0.0, 1.0, 0.9, spaced) for word, spaced in parts]

    before = words(("我们", False), ("用", False), ("machine", False), ("做", True))
    after = words(("我们", True), ("用", False), ("machine", True), ("做", True))
    assert join_words(after) == "我们用 machine 做"
    assert new_part(before, after) == "machine 做"


def test_a_text_is_its_shared_beginning_and_its_new_part() -> None:
    chance = random.Random(3)

    def words(count: int) -> list[TimedWord]:
        return [
            TimedWord(chance.choice(["我", "们", "12", "machine", "ครับ"]), 0.0, 1.0, 0.9, chance.random() < 0.5)
            for _ in range(count)
        ]

    for _ in range(300):
        shared = words(chance.randrange(4))
        before, after = shared + words(chance.randrange(3)), shared + words(chance.randrange(3))
        text, new = join_words(after), new_part(before, after)
        assert text.endswith(new)
        assert join_words(before).startswith(text[: len(text) - len(new)].rstrip(" "))
