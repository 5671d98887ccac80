"""Which words of a growing text are stable: LocalAgreement-2 (Macháček et al. 2023, "Turning Whisper into a Real-Time
Transcription System"), with a margin at the end.

A word is committed when two hypotheses in a row agree on it and it ends well before the end of the audio: the last
word before the edge is often half a word. Where an engine tells which words it heard to their end, that must be true
too. (Measured: that alone, without agreement, commits more wrong words or commits them later; both together are best.)
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PlacedWord:
    """A word at its place in the session's audio; milliseconds. ``space_before``: as in ``TimedWord``."""

    text: str
    start_ms: int
    end_ms: int
    probability: float
    space_before: bool = True


def normalised(word: str) -> str:
    """Letters and digits only, case folded: what two spellings of one word have in common."""
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(char for char in folded if char.isalnum()) or folded


class Agreement:
    """The stable and the unstable words of one utterance."""

    def __init__(self, margin_ms: int) -> None:
        self._margin_ms = margin_ms
        self.stable: list[PlacedWord] = []
        self.unstable: list[PlacedWord] = []

    def update(self, words: Sequence[PlacedWord], audio_end_ms: int, safe_words: int | None = None) -> None:
        """Takes the next hypothesis, which may begin before, within or behind the stable words.

        ``safe_words``: so many, from the first, the engine heard to their end; None where it cannot tell.
        """
        fresh = self._behind_stable(words)
        # The last word is never agreed on: its punctuation is a guess about what comes next.
        most = len(fresh) - 1
        if safe_words is not None:
            most = min(most, safe_words - (len(words) - len(fresh)))
        agreed = 0
        for old, new in zip(self.unstable, fresh[: max(0, most)], strict=False):
            if normalised(old.text) != normalised(new.text) or new.end_ms > audio_end_ms - self._margin_ms:
                break
            agreed += 1
        self.stable += fresh[:agreed]
        self.unstable = fresh[agreed:]

    def force(self, before_ms: int) -> None:
        """Commits the unstable words that end before a position: the hypotheses disagree for too long."""
        keep = 0
        while keep < len(self.unstable) and self.unstable[keep].end_ms <= before_ms:
            keep += 1
        self.stable += self.unstable[:keep]
        self.unstable = self.unstable[keep:]

    def _behind_stable(self, words: Sequence[PlacedWord]) -> list[PlacedWord]:
        """The words that are not the stable ones again: behind them in time, less what repeats them."""
        if not self.stable:
            return list(words)
        edge_ms = self.stable[-1].end_ms
        fresh = [word for word in words if (word.start_ms + word.end_ms) / 2 > edge_ms - 100]
        # Word times waver by some hundred ms: the last stable words may come again at the head.
        for count in range(min(5, len(fresh), len(self.stable)), 0, -1):
            tail = [normalised(word.text) for word in self.stable[-count:]]
            near = fresh[count - 1].start_ms < edge_ms + 300
            if near and tail == [normalised(word.text) for word in fresh[:count]]:
                return fresh[count:]
        return fresh
