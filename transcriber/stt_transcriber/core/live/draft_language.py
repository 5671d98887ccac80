"""Language of an utterance's drafts, which is not detected with each of them: that would make a draft a tenth dearer.

Finals don't depend on it: they detect their own.
"""

from stt_transcriber.core.decoding import Hypothesis, Weights

_EVERY_S = 1.0
"""Voice after which the language is detected again."""
_SURE = 0.9
"""Least weight of the language spoken so far that the first drafts of an utterance take without detection."""
_LIKELY = 0.5


class DraftLanguage:
    """Language of the drafts of one utterance."""

    def __init__(self) -> None:
        self._language: str | None = None
        self._detect_from_s = _EVERY_S
        self._asked_at_s = 0.0

    def choose(self, voiced_s: float, spoken: Weights) -> str | None:
        """Return the language of a draft of an utterance with so much voice; None: detect it."""
        language = self._language
        if language is None:
            usual = next(iter(spoken), "")
            language = usual if spoken.get(usual, 0.0) >= _SURE else None
        if voiced_s < self._detect_from_s and language is not None:
            return language
        self._asked_at_s = voiced_s
        return None

    def take(self, hypothesis: Hypothesis) -> None:
        """Take over the language of a draft for which it was to be detected."""
        if hypothesis.language_probability >= _LIKELY:
            self._language, self._detect_from_s = hypothesis.language, self._asked_at_s + _EVERY_S
