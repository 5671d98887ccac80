"""Context of a live session: what one utterance hands to the next, stored with each commit for a takeover."""

import msgspec

from stt_shared.contracts.session import SessionConfig, TakeoverState, VadCheckpoint
from stt_transcriber.core.language import SessionLanguage
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS


class SessionContext:
    """Language of a session and the end of its last final.

    ``language``: the session's language. ``stored``: the state as of the last final, or as it was found at the start.
    """

    def __init__(self, config: SessionConfig, policy: LivePolicy, stored: TakeoverState) -> None:
        self._config = config
        self._policy = policy
        self.language = SessionLanguage(config.language, stored)
        self.stored = stored

    def text_before(self, start: int) -> str:
        """Return the text that an utterance at ``start`` gets as its prompt; '' after a long silence."""
        gap = start - self.stored.end_sample
        return self.stored.text if gap <= self._policy.context_gap_ms * SAMPLES_PER_MS else ""

    def update(self, text: str, end: int) -> None:
        """Take over the text of a final that ends at ``end``, and the language as it is now."""
        evidence = self.language.evidence
        self.stored = TakeoverState(
            language=None if self._config.language else self.language.decided,
            text=text[max(0, len(text) - self._policy.context_chars) :],
            end_sample=end,
            voice=evidence.samples.tobytes(),
            voiced_ms=evidence.voiced_ms,
        )

    def with_checkpoint(self, checkpoint: VadCheckpoint | None) -> TakeoverState:
        """Return the state to store together with a checkpoint."""
        return msgspec.structs.replace(self.stored, hearing=checkpoint)
