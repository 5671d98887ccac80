"""Speculative final: decoded during a pause that may turn out to be the end of the utterance."""

from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.text.segments import SENTENCE_END


class SpeculativeFinal:
    """At most one speculative final: its audio range and hypothesis, or the fact that the model failed on it."""

    def __init__(self) -> None:
        self._range = (-1, -1)
        self._failed_at = -1
        self.hypothesis: Hypothesis | None = None

    def queue_for_store(self, begin: int, end: int, hypothesis: Hypothesis) -> None:
        """Keep the result of the decode from ``begin`` to ``end``."""
        self._range, self.hypothesis = (begin, end), hypothesis

    def failed(self, end: int) -> None:
        """Record that the model failed on the range up to ``end``, which is not tried again before the endpoint."""
        self._failed_at = end

    def forget(self) -> None:
        """Drop the hypothesis: the utterance has its final."""
        self._range, self.hypothesis = (-1, -1), None

    def is_of(self, begin: int, end: int) -> bool:
        """Check whether the hypothesis is for exactly this range."""
        return self.hypothesis is not None and self._range == (begin, end)

    def was_tried(self, end: int) -> bool:
        """Check whether a final up to ``end`` was decoded or failed, so that trying again is useless."""
        return end in (self._range[1], self._failed_at)

    def ends_sentence(self, end: int) -> bool:
        """Check whether there is a text up to ``end`` that closes with a mark that ends a sentence."""
        if self.hypothesis is None or self._range[1] != end:
            return False
        return self.hypothesis.text.rstrip("\"'”’»)").endswith(SENTENCE_END) and not self.hypothesis.text.endswith(
            "..."
        )
