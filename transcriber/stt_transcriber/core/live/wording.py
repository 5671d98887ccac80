"""Wording of a live session: what is written instead of the words that were decoded."""

from collections.abc import Sequence

from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live.utterance import Utterance
from stt_transcriber.core.live.vocabulary import Vocabularies
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.redaction import redactor_of


class Wording:
    """Replacements, then redaction."""

    def __init__(self, config: SessionConfig, vocabularies: Vocabularies) -> None:
        self._vocabularies = vocabularies
        self._redactor = redactor_of(config.redact, config.redact_patterns)

    def of_partial(self, utterance: Utterance, end: int) -> tuple[list[PlacedWord], int]:
        """Return the words so far of an utterance heard up to ``end``, and how many of them are stable."""
        words, stable = utterance.words, len(utterance.agreement.stable)
        if rewriter := self._vocabularies.rewriter(utterance.start, end, utterance.shown_language):
            words, stable = rewriter.rewrite(words, stable)
        if self._redactor:
            words, stable = self._redactor.redact_growing(words, stable)
        return words, stable

    def of_final(self, utterance: Utterance, language: str, words: Sequence[PlacedWord]) -> Sequence[PlacedWord]:
        """Return the words of a final as they are published."""
        if rewriter := self._vocabularies.rewriter(utterance.start, utterance.whole_end, language):
            words, _ = rewriter.rewrite(words)
        return self._redactor.redact(words) if self._redactor else words

    def kept(self, words: Sequence[PlacedWord]) -> Sequence[PlacedWord]:
        """Return the words that are kept for what follows: as they were decoded; none where they are redacted."""
        return () if self._redactor else words
