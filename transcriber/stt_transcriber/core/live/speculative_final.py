"""The final that is decoded while a pause may still turn out to be the end of the utterance."""

from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.text.segments import SENTENCE_END


class SpeculativeFinal:
    """At most one: its audio range and what was heard in it, or that the model failed on it."""

    def __init__(self) -> None:
        self._range = (-1, -1)
        self._failed_at = -1
        self.hypothesis: Hypothesis | None = None

    def queue_for_store(self, begin: int, end: int, hypothesis: Hypothesis) -> None:
        """It was decoded."""
        self._range, self.hypothesis = (begin, end), hypothesis

    def failed(self, end: int) -> None:
        """The model failed on it: it is not tried again before the endpoint."""
        self._failed_at = end

    def forget(self) -> None:
        """The utterance has its final."""
        self._range, self.hypothesis = (-1, -1), None

    def is_of(self, begin: int, end: int) -> bool:
        """It is the final of just this range."""
        return self.hypothesis is not None and self._range == (begin, end)

    def was_tried(self, end: int) -> bool:
        """Nothing more can be learnt of the pause that a final up to ``end`` would use."""
        return end in (self._range[1], self._failed_at)

    def ends_sentence(self, end: int) -> bool:
        """Its text, up to ``end``, closes with a mark that ends a sentence."""
        if self.hypothesis is None or self._range[1] != end:
            return False
        return self.hypothesis.text.rstrip("\"'”’»)").endswith(SENTENCE_END) and not self.hypothesis.text.endswith(
            "..."
        )
