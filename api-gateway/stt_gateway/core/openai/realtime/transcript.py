"""Text of one item as its client learns it: deltas that are never taken back, and the whole at the end."""

import difflib
import re
from collections.abc import Sequence

from stt_shared.contracts.events import Word
from stt_shared.contracts.text import join_texts, needs_space

_WORD = re.compile(r"\S+")
_MARKS = re.compile(r"[^\w]+")


class Transcript:
    """Text of the utterances of one item. The deltas, one after the other, are the text as far as it was told."""

    def __init__(self) -> None:
        self._finals: list[str] = []
        self._last = ""  # text before the current utterance, as it was told
        self._told = ""  # of the current utterance
        self.words: list[Word] = []
        self.languages: list[str] = []

    @property
    def text(self) -> str:
        """All finals."""
        return join_texts(self._finals)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was told and there is no final."""
        return not (self._last or self._told or self._finals)

    def grow(self, stable: str) -> str:
        """Return the delta for the stable text of the current utterance; '' if it tells nothing new."""
        # Another transcriber that takes over begins the utterance again, and may settle other words.
        return self._tell(stable[len(self._told) :]) if stable.startswith(self._told) else ""

    def end(self, text: str, words: Sequence[Word], language: str) -> str:
        """Add the final of the current utterance, which ends with it; return the rest of it as a delta."""
        self._finals.append(text)
        self.words.extend(words)
        if language and language not in self.languages:
            self.languages.append(language)
        delta = self._tell(untold(self._told, text))
        self._last, self._told = text, ""
        return delta

    def retract(self) -> None:
        """Forget the current utterance, which turned out to hold no words. What was told of it remains told."""
        self._last, self._told = self._told or self._last, ""

    def _tell(self, more: str) -> str:
        is_next = bool(more and self._last and not self._told)
        self._told += more
        return f" {more}" if is_next and needs_space(self._last, more) else more


def untold(told: str, text: str) -> str:
    """Return the end of a final that was not told yet.

    Where the final has other words than were told, its end begins after those that stand in their place.
    """
    if text.startswith(told):
        return text[len(told) :]
    said = _WORD.findall(told)
    places = list(_WORD.finditer(text))
    before, after = [_bare(word) for word in said], [_bare(place.group()) for place in places]
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    last = max((block for block in blocks if block.size), key=lambda block: block.a, default=blocks[-1])
    # Words after the last one that both have were replaced one by one.
    at = len(said) if not last.size else last.b + len(said) - last.a
    return text[places[at - 1].end() :] if 0 < at < len(places) else ""


def _bare(word: str) -> str:
    return _MARKS.sub("", word).casefold()
