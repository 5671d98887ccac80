"""How words become text."""

from collections.abc import Sequence
from typing import Protocol


class SpacedWord(Protocol):
    """A word that knows whether a space separates it from the word before."""

    @property
    def text(self) -> str:
        """The word with its punctuation, without surrounding spaces."""
        ...

    @property
    def space_before(self) -> bool:
        """Whether the text has a space before the word."""
        ...


def join_words(words: Sequence[SpacedWord]) -> str:
    """Return the text that the words were taken from."""
    return "".join(f" {word.text}" if word.space_before else word.text for word in words).removeprefix(" ")


def new_part(before: Sequence[SpacedWord], after: Sequence[SpacedWord]) -> str:
    """Return the text of ``after`` behind the words that both begin with."""
    same = 0
    for left, right in zip(before, after, strict=False):
        if left.text != right.text:
            break
        same += 1
    return join_words(after[same:])
