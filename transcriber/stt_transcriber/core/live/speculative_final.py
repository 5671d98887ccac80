"""Speculative final: decoded during a pause that may turn out to be the end of the utterance."""

from stt_transcriber.core.decoding import Hypothesis
from stt_transcriber.core.live.turn import Ending, ending_of
from stt_transcriber.core.live.utterance import Utterance


class SpeculativeFinal:
    """At most one speculative final: its audio range and hypothesis, or the fact that the model failed on it."""

    def __init__(self) -> None:
        self._range = (-1, -1)
        self._failed = (-1, -1)
        self._hypothesis: Hypothesis | None = None

    def keep(self, begin: int, end: int, hypothesis: Hypothesis) -> None:
        """Keep the result of the decode from ``begin`` to ``end``."""
        self._range, self._hypothesis = (begin, end), hypothesis

    def fail(self, begin: int, end: int) -> None:
        """Record that the model failed on a range, which is not tried again before the endpoint."""
        self._failed = (begin, end)

    def forget(self) -> None:
        """Drop the hypothesis: the utterance has its final."""
        self._range, self._hypothesis = (-1, -1), None

    def hypothesis_for(self, utterance: Utterance) -> Hypothesis | None:
        """Return the hypothesis for exactly the range of this utterance; None if there is none, or it was refused."""
        is_of_it = self._range == (utterance.start, utterance.end) and not utterance.refused
        return self._hypothesis if is_of_it else None

    def was_tried(self, begin: int, end: int) -> bool:
        """Check whether a final of this range was decoded or failed, so that trying again is useless."""
        return (begin, end) in (self._range, self._failed)

    def ending(self, begin: int, end: int) -> Ending | None:
        """Return how the text of this range ends; None if there is no text."""
        if self._hypothesis is None or self._range != (begin, end):
            return None
        return ending_of(self._hypothesis.text)
