"""Speculative final: decoded during a pause that may turn out to be the end of the utterance."""

from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.live.utterance import Utterance
from stt_transcriber.core.text.segments import SENTENCE_END


class SpeculativeFinal:
    """At most one speculative final: its audio range and hypothesis, or the fact that the model failed on it."""

    def __init__(self) -> None:
        self._range = (-1, -1)
        self._failed_at = -1
        self._hypothesis: Hypothesis | None = None

    def keep(self, begin: int, end: int, hypothesis: Hypothesis) -> None:
        """Keep the result of the decode from ``begin`` to ``end``."""
        self._range, self._hypothesis = (begin, end), hypothesis

    def fail(self, end: int) -> None:
        """Record that the model failed on the range up to ``end``, which is not tried again before the endpoint."""
        self._failed_at = end

    def forget(self) -> None:
        """Drop the hypothesis: the utterance has its final."""
        self._range, self._hypothesis = (-1, -1), None

    def hypothesis_for(self, utterance: Utterance) -> Hypothesis | None:
        """Return the hypothesis for exactly the range of this utterance; None if there is none, or it was refused."""
        is_of_it = self._range == (utterance.start, utterance.end) and not utterance.refused
        return self._hypothesis if is_of_it else None

    def was_tried(self, end: int) -> bool:
        """Check whether a final up to ``end`` was decoded or failed, so that trying again is useless."""
        return end in (self._range[1], self._failed_at)

    def ends_sentence(self, end: int) -> bool:
        """Check whether there is a text up to ``end`` that closes with a mark that ends a sentence."""
        if self._hypothesis is None or self._range[1] != end:
            return False
        text = self._hypothesis.text
        return text.rstrip("\"'”’»)").endswith(SENTENCE_END) and not text.endswith("...")
