"""Stable words of a growing text: LocalAgreement-2 (Macháček et al. 2023, "Turning Whisper into a Real-Time
Transcription System"), with a margin at the end.

A word becomes stable when two consecutive hypotheses agree on it and it ends well before the end of the audio: the last
word before the end is often half a word. If the engine reports ``safe_words``, the word must also be one of these.
(Measured: ``safe_words`` alone, without agreement, makes more wrong words stable or makes words stable later; both
together are best.)
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_shared.contracts.text import needs_space
from stt_transcriber.core.decoding import Hypothesis


@dataclass(frozen=True)
class PlacedWord:
    """Word at its position in the session's audio, in milliseconds. ``space_before``: as in ``TimedWord``."""

    text: str
    start_ms: int
    end_ms: int
    probability: float
    space_before: bool = True


def placed_words(hypothesis: Hypothesis, begin: int) -> list[PlacedWord]:
    """Return a hypothesis's words at their positions in the session; ``begin``: position of its first sample."""
    offset_ms = begin // (AUDIO_RATE_HZ // 1000)
    return [
        PlacedWord(
            word.text,
            offset_ms + round(word.start_s * 1000),
            offset_ms + round(word.end_s * 1000),
            word.probability,
            word.space_before,
        )
        for word in hypothesis.words
    ]


def normalised(word: str) -> str:
    """Reduce a word to its letters and digits, case-folded, so that different spellings of it compare equal.

    A word without letters and digits is only case-folded.
    """
    folded = unicodedata.normalize("NFKC", word).casefold()
    return "".join(char for char in folded if char.isalnum()) or folded


class Agreement:
    """Stable and unstable words of one utterance."""

    def __init__(self, margin_ms: int) -> None:
        self._margin_ms = margin_ms
        self.stable: list[PlacedWord] = []
        self.unstable: list[PlacedWord] = []

    def update(self, words: Sequence[PlacedWord], audio_end_ms: int, safe_words: int | None = None) -> None:
        """Add the next hypothesis, which may begin before, within or after the stable words.

        ``safe_words``: as in ``Hypothesis``; None: the engine cannot tell.
        """
        fresh = self._continued(self._after_stable(words), words)
        # The last word never becomes stable here: its punctuation is a guess about what comes next.
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
        """Make the unstable words that end at or before a position stable: hypotheses have disagreed for too long."""
        keep = 0
        while keep < len(self.unstable) and self.unstable[keep].end_ms <= before_ms:
            keep += 1
        self.stable += self.unstable[:keep]
        self.unstable = self.unstable[keep:]

    def _continued(self, fresh: list[PlacedWord], words: Sequence[PlacedWord]) -> list[PlacedWord]:
        """Decide whether a space precedes the first word of a window that begins after the stable words.

        The engine has not seen the text before it.
        """
        if self.stable and fresh and fresh[0] is words[0]:
            spaced = fresh[0].space_before and needs_space(self.stable[-1].text, fresh[0].text)
            fresh[0] = replace(fresh[0], space_before=spaced)
        return fresh

    def _after_stable(self, words: Sequence[PlacedWord]) -> list[PlacedWord]:
        """Return the words that come after the stable ones in time, without those that repeat stable words."""
        if not self.stable:
            return list(words)
        edge_ms = self.stable[-1].end_ms
        fresh = [word for word in words if (word.start_ms + word.end_ms) / 2 > edge_ms - 100]
        spoken = [normalised(word.text) for word in words]
        before = spoken[: len(words) - len(fresh)]
        # Word times vary by a few hundred milliseconds, so the last stable words may appear again at the start.
        for count in range(min(5, len(fresh), len(self.stable)), 0, -1):
            tail = [normalised(word.text) for word in self.stable[-count:]]
            near = fresh[count - 1].start_ms < edge_ms + 300
            # If they also come before, these are said a second time.
            is_repeat = before[-count:] == tail
            if near and not is_repeat and tail == spoken[len(before) : len(before) + count]:
                return fresh[count:]
        return fresh
