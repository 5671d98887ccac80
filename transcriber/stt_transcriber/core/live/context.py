"""Context of a live session: what one utterance hands to the next, stored with each commit for a takeover."""

import msgspec

from stt_shared.contracts.session import TakeoverState, VadCheckpoint
from stt_transcriber.core.decoding import Weights
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS


class SessionContext:
    """Languages spoken in a session, and the end of its last final.

    ``stored``: the state as of the last final, or as it was found at the start.
    """

    def __init__(self, policy: LivePolicy, stored: TakeoverState) -> None:
        self._policy = policy
        self.stored = stored

    def text_before(self, start: int) -> str:
        """Return the text that an utterance at ``start`` gets as its prompt; '' after a long silence."""
        gap = start - self.stored.end_sample
        return self.stored.text if gap <= self._policy.context_gap_ms * SAMPLES_PER_MS else ""

    @property
    def spoken(self) -> Weights:
        """Weights of the languages spoken so far, empty if they are not detected."""
        return self.stored.spoken

    def update(self, text: str, end: int, spoken: Weights) -> None:
        """Take over the text of a final that ends at ``end``, and the languages spoken up to there."""
        self.stored = TakeoverState(
            text=text[max(0, len(text) - self._policy.context_chars) :], end_sample=end, spoken=dict(spoken)
        )

    def with_checkpoint(self, checkpoint: VadCheckpoint | None) -> TakeoverState:
        """Return the state to store together with a checkpoint."""
        return msgspec.structs.replace(self.stored, hearing=checkpoint)
