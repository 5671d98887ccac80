"""The new part of a text."""

import pytest

from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.join import new_part

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
