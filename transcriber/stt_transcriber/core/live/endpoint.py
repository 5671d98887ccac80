"""End of an utterance: the meaning of the silence after its speech, by the VAD gate alone."""

from stt_transcriber.core.audio.vad_gate import WINDOW_MS
from stt_transcriber.core.audio.vad_stream import VadStream
from stt_transcriber.core.live.policy import LivePolicy


class Endpoint:
    """Endpointing of the open utterance; used only while there is one.

    ``endpointing_ms``: the session's own setting for the silence that ends an utterance. ``pause_ms``: the same, but at
    least one window.
    """

    def __init__(self, policy: LivePolicy, endpointing_ms: int, vad: VadStream) -> None:
        self._policy = policy
        self._vad = vad
        self.pause_ms = max(endpointing_ms, WINDOW_MS)
        self._speculate_after_ms = min(policy.speculative_final_ms, endpointing_ms)
        sentence_ms = policy.sentence_endpointing_ms
        self._sentence_ms = _whole_windows(sentence_ms) if 0 < sentence_ms < endpointing_ms else None

    @property
    def pause_end(self) -> int:
        """End of a final that a pause ends; it depends on the audio, not on the time of the decode."""
        return self._vad.at(self._vad.gate.speech_end_window + _whole_windows(self._speculate_after_ms) // WINDOW_MS)

    def has_enough_voice(self) -> bool:
        """Check whether there was enough voice for a word."""
        return self._vad.voiced_ms >= self._policy.min_speech_ms

    def may_be_over(self) -> bool:
        """Check whether the pause is long enough to decode the final ahead of time."""
        return self._vad.gate.silence_ms >= self._speculate_after_ms

    def is_over(self) -> bool:
        """Check whether the pause ends the utterance."""
        return self._vad.gate.silence_ms >= self.pause_ms

    def is_sentence_pause(self) -> bool:
        """Check whether the pause has exactly the length that ends an utterance whose text ends a sentence."""
        return self._vad.gate.silence_ms == self._sentence_ms and self.has_enough_voice()


def _whole_windows(milliseconds: int) -> int:
    return -(-milliseconds // WINDOW_MS) * WINDOW_MS
