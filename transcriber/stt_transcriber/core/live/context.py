"""Context of a live session: what one utterance hands to the next, stored with each commit for a takeover."""

from collections.abc import Sequence

import msgspec

from stt_shared.contracts.session import AcousticContext, TakeoverState, Task, VadCheckpoint
from stt_transcriber.core.decoding import Hypothesis, Weights
from stt_transcriber.core.live import acoustic_context
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Utterance
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.join import join_words


class SessionContext:
    """Languages spoken in a session, and the end of its last final.

    ``stored``: the state as of the last final, or as it was found at the start. ``first``: position of the first sample
    that the session has.
    """

    def __init__(self, policy: LivePolicy, task: Task, stored: TakeoverState, first: int) -> None:
        self._policy = policy
        # A translation has its own word order: which of its words are in the audio that is kept, is unknown.
        self._hears_earlier = policy.acoustic_context_ms > 0 and task is Task.TRANSCRIBE
        self._first = first
        self.stored = stored

    def text_before(self, start: int) -> str:
        """Return the text that an utterance at ``start`` gets as its prompt; '' after a long silence."""
        return self.stored.text if self._follows(start, self._policy.context_gap_ms) else ""

    def heard_before(self, start: int, end: int) -> AcousticContext | None:
        """Return the speech that a final from ``start`` to ``end`` hears before it; None: nothing."""
        heard = self.stored.acoustic_context
        if heard is None or not self._follows(start, self._policy.acoustic_gap_ms):
            return None
        return acoustic_context.shortened(heard, end - self._policy.longest_decode_ms * SAMPLES_PER_MS)

    def needed_from(self, committed: int) -> int:
        """Return the position from which audio is needed; no utterance begins before ``committed`` any more."""
        heard = self.stored.acoustic_context
        if heard is not None and self._follows(committed, self._policy.acoustic_gap_ms):
            return min(heard.begin_sample, committed)
        return committed

    @property
    def spoken(self) -> Weights:
        """Weights of the languages spoken so far, empty if they are not detected."""
        return self.stored.spoken

    def language_is_a_guess(self, hypothesis: Hypothesis) -> bool:
        """Check whether the language is too uncertain to show the text.

        Text in the wrong language is worse than text half a second later.
        """
        least = self._policy.show_language_above
        return hypothesis.language_probability < least and self.spoken.get(hypothesis.language, 0.0) < least

    def update(
        self, words: Sequence[PlacedWord], utterance: Utterance, language: str, spoken: Weights, *, is_complete: bool
    ) -> None:
        """Take over the final of ``utterance``: its words as they were decoded, and the languages spoken up to there.

        ``is_complete``: all that was said in it has its words.
        """
        text = join_words(words)
        heard = None
        if self._hears_earlier and is_complete:
            follows = self._follows(utterance.start, self._policy.acoustic_gap_ms)
            earliest = max(self._first, utterance.end - self._policy.acoustic_context_ms * SAMPLES_PER_MS)
            before = self.stored.acoustic_context if follows else None
            heard = acoustic_context.extended(before, words, language, utterance.start, earliest)
        self.stored = TakeoverState(
            text=text[max(0, len(text) - self._policy.context_chars) :],
            end_sample=utterance.end,
            spoken=dict(spoken),
            acoustic_context=heard,
        )

    def with_checkpoint(self, checkpoint: VadCheckpoint | None, committed: int) -> TakeoverState:
        """Return the state to store together with a checkpoint."""
        if self.needed_from(committed) == committed:
            self.stored = msgspec.structs.replace(self.stored, acoustic_context=None)
        return msgspec.structs.replace(self.stored, hearing=checkpoint)

    def _follows(self, position: int, gap_ms: int) -> bool:
        """Check whether there is at most this silence between the last final and ``position``."""
        return position - self.stored.end_sample <= gap_ms * SAMPLES_PER_MS
