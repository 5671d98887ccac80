"""Does the suite keep its word? Text called `stable` must stand in every later partial; a final may correct it."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass
class Stability:
    """Counts over one session or, added up, over many. Words are those of the normalised text."""

    partials: int = 0
    violations: int = 0
    """Partials that revise what an earlier one of the same utterance called stable."""
    stable_words: int = 0
    """Words called stable by the time their utterance's final came."""
    corrected_words: int = 0
    """Those of them that the final has otherwise or not at all."""

    def add(self, other: "Stability") -> None:
        """Counts another session in."""
        self.partials += other.partials
        self.violations += other.violations
        self.stable_words += other.stable_words
        self.corrected_words += other.corrected_words


class StabilityWatch:
    """Reads one session's partials and finals in order. ``normalise`` makes words comparable."""

    def __init__(self, normalise: Callable[[str], str]) -> None:
        self._normalise = normalise
        self._stable: dict[int, str] = {}
        self.counts = Stability()

    def partial(self, utterance: int, text: str, stable: str) -> None:
        """The next partial."""
        self.counts.partials += 1
        if not text.startswith(self._stable.get(utterance, "")):
            self.counts.violations += 1
        self._stable[utterance] = stable

    def final(self, utterance: int, text: str) -> None:
        """The utterance's end."""
        stable = self._normalise(self._stable.pop(utterance, "")).split()
        matched = sum(
            block.size
            for block in SequenceMatcher(
                a=stable, b=self._normalise(text).split(), autojunk=False
            ).get_matching_blocks()
        )
        self.counts.stable_words += len(stable)
        self.counts.corrected_words += len(stable) - matched
