"""Joining of words to text."""

from collections.abc import Sequence
from typing import Protocol


class SpacedWord(Protocol):
    """Word that knows whether a space separates it from the previous word."""

    @property
    def text(self) -> str:
        """Word with its punctuation, without surrounding spaces."""
        ...

    @property
    def space_before(self) -> bool:
        """Whether the text has a space before the word."""
        ...


def join_words(words: Sequence[SpacedWord]) -> str:
    """Return the text that the words came from."""
    return "".join(f" {word.text}" if word.space_before else word.text for word in words).removeprefix(" ")


def new_part(before: Sequence[SpacedWord], after: Sequence[SpacedWord]) -> str:
    """Return the text of ``after`` that follows the words with which both begin."""
    same = 0
    for left, right in zip(before, after, strict=False):
        if left.text != right.text or (same and left.space_before != right.space_before):
            break
        same += 1
    return join_words(after[same:])
