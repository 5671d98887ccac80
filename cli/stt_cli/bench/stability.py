"""Check of the `stable` promise: stable text must remain in every later partial; a final may correct it."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass
class Stability:
    """Counts over one session or the sum of many. Words are those of the normalised text."""

    partials: int = 0
    violations: int = 0
    """Partials that revise text that an earlier partial of the same utterance declared stable."""
    stable_words: int = 0
    """Words that had been declared stable when their utterance's final arrived."""
    corrected_words: int = 0
    """Stable words that the final changes or omits."""

    def add(self, other: "Stability") -> None:
        """Add the counts of another session."""
        self.partials += other.partials
        self.violations += other.violations
        self.stable_words += other.stable_words
        self.corrected_words += other.corrected_words


class StabilityWatch:
    """Checker that receives one session's partials and finals in order. ``normalise`` makes words comparable."""

    def __init__(self, normalise: Callable[[str], str]) -> None:
        self._normalise = normalise
        self._stable: dict[int, str] = {}
        self.counts = Stability()

    def partial(self, utterance: int, text: str, stable: str) -> None:
        """Check the next partial."""
        self.counts.partials += 1
        if not text.startswith(self._stable.get(utterance, "")):
            self.counts.violations += 1
        self._stable[utterance] = stable

    def final(self, utterance: int, text: str) -> None:
        """Compare the utterance's stable text with its final."""
        stable = self._normalise(self._stable.pop(utterance, "")).split()
        matched = sum(
            block.size
            for block in SequenceMatcher(
                a=stable, b=self._normalise(text).split(), autojunk=False
            ).get_matching_blocks()
        )
        self.counts.stable_words += len(stable)
        self.counts.corrected_words += len(stable) - matched
