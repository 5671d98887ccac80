"""When an utterance ends: what the silence behind its speech means, by the voice gate alone."""

from stt_transcriber.core.audio.vad_gate import WINDOW_MS
from stt_transcriber.core.audio.vad_stream import VadStream
from stt_transcriber.core.live.policy import LivePolicy


class Endpoint:
    """Asked while an utterance is open; ``endpointing_ms``: the session's own silence that ends one. ``pause_ms``: the
    same, of a window at least."""

    def __init__(self, policy: LivePolicy, endpointing_ms: int, ear: VadStream) -> None:
        self._policy = policy
        self._ear = ear
        self.pause_ms = max(endpointing_ms, WINDOW_MS)
        self._early_ms = min(policy.early_final_ms, endpointing_ms)
        sentence_ms = policy.sentence_endpointing_ms
        self._sentence_ms = _whole_windows(sentence_ms) if 0 < sentence_ms < endpointing_ms else None

    @property
    def early_end(self) -> int:
        """Where a final ends that a pause ends: fixed by the audio, not by when it is decoded."""
        return self._ear.at(self._ear.gate.speech_end_window + _whole_windows(self._early_ms) // WINDOW_MS)

    def voiced_enough(self) -> bool:
        """There was enough voice for a word."""
        return self._ear.voiced_ms >= self._policy.min_speech_ms

    def may_be_over(self) -> bool:
        """The pause is long enough to decode the final ahead."""
        return self._ear.gate.silence_ms >= self._early_ms

    def is_over(self) -> bool:
        """The pause is the end."""
        return self._ear.gate.silence_ms >= self.pause_ms

    def ends_a_sentence_if_any(self) -> bool:
        """The pause is just now as long as ends an utterance whose text ends a sentence."""
        return self._ear.gate.silence_ms == self._sentence_ms and self.voiced_enough()


def _whole_windows(milliseconds: int) -> int:
    return -(-milliseconds // WINDOW_MS) * WINDOW_MS
