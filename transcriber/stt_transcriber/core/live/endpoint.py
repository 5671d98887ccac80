"""End of an utterance: the meaning of the silence after its speech."""

from stt_shared.contracts.session import Endpointing, SessionConfig
from stt_transcriber.core.audio.vad_gate import WINDOW_MS
from stt_transcriber.core.audio.vad_stream import VadStream
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.turn import Evidence, Pause, Range, Silences, TurnVerdicts, is_over, patience_ms
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Utterance
from stt_transcriber.core.schedule.scheduler import Kind


class Endpoint:
    """Endpointing of the open utterance; used only while there is one.

    With a fixed silence it depends on the VAD gate alone. Otherwise what is known of the pause says how long it must
    be (``turn.is_over``). The gate waits where a decision lacks evidence, so that what is decided does not depend on
    how soon the evidence came.

    ``pause_ms``: the base, but at least one window.
    """

    def __init__(
        self,
        policy: LivePolicy,
        config: SessionConfig,
        vad: VadStream,
        speculative: SpeculativeFinal,
        verdicts: TurnVerdicts,
    ) -> None:
        self._policy = policy
        self._vad = vad
        self._speculative = speculative
        self._verdicts = verdicts
        self._speculate_after_ms = min(policy.speculative_final_ms, config.endpointing_ms)
        self.pause_ms = _whole_windows(config.endpointing_ms)
        self._is_judged = config.endpointing is Endpointing.AUTO
        longest_ms = _whole_windows(config.endpointing_max_ms) if self._is_judged else 0
        early_ms = _whole_windows(policy.turn.early_ms)
        self._silences = Silences(early_ms, self.pause_ms, max(self.pause_ms, longest_ms))

    @property
    def pause_end(self) -> int:
        """End of a final that a pause ends; it depends on the audio, not on the time of the decode."""
        return self._vad.at(self._vad.gate.speech_end_window + _whole_windows(self._speculate_after_ms) // WINDOW_MS)

    def range_of(self, utterance: Utterance) -> Range:
        """Return the audio that is judged in this pause, which is also that of the final if the pause ends it."""
        return utterance.start, self.pause_end

    def has_enough_voice(self) -> bool:
        """Check whether there was enough voice for a word."""
        return self._vad.voiced_ms >= self._policy.min_speech_ms

    def may_be_over(self) -> bool:
        """Check whether the pause is long enough to decode the final ahead of time."""
        return self._vad.gate.silence_ms >= self._speculate_after_ms

    def is_settled(self) -> bool:
        """Check whether the pause has the length that ends any utterance, whatever is known of it."""
        # Too little voice for a word is not judged: nothing records where such an utterance ended.
        return self._vad.gate.silence_ms >= (self._silences.longest_ms if self.has_enough_voice() else self.pause_ms)

    def verdict(self, utterance: Utterance) -> bool | Evidence:
        """Decide whether the pause ends the utterance, or say what must be known of it before the gate goes on."""
        if self.is_settled():
            return True
        if not self._is_judged or not self.has_enough_voice() or not self.may_be_over():
            return False
        silence_ms, is_long = self._vad.gate.silence_ms, self._is_long(utterance)
        return is_over(self._pause(utterance), silence_ms, self._silences, self._policy.turn, is_long=is_long)

    def due_decode(self, utterance: Utterance, *, speculates: bool) -> Kind | None:
        """Return the decode of the pause that is due, None if there is none.

        ``speculates``: there is time for decodes that may turn out to be useless.
        """
        if not self.may_be_over():
            return None
        lacks = self.verdict(utterance)
        judges = self._judges and not self._verdicts.is_known(self.range_of(utterance))
        if judges and (speculates or lacks is Evidence.PROBABILITY):
            return Kind.TURN
        wants_final = lacks is Evidence.TEXT or (speculates and not self._goes_on(utterance))
        if wants_final and not self._speculative.was_tried(*self.range_of(utterance)):
            return Kind.FINAL
        return None

    def has_final(self, utterance: Utterance) -> bool:
        """Check whether the final of this pause was decoded ahead of time, which is a good draft in any case."""
        return self.may_be_over() and self._speculative.was_tried(*self.range_of(utterance))

    @property
    def _judges(self) -> bool:
        return self._is_judged and self._policy.turn.has_model

    def _goes_on(self, utterance: Utterance) -> bool:
        """Check whether the speaker is expected to go on, so that a final decoded now would be in vain."""
        probability = self._verdicts.probability(self.range_of(utterance))
        waits_ms = patience_ms(probability, self._silences, self._policy.turn)
        return self._vad.gate.silence_ms < waits_ms - max(self._policy.turn.lead_ms, self.pause_ms)

    def _is_long(self, utterance: Utterance) -> bool:
        return self.pause_end - utterance.start >= self._policy.turn.early_after_ms * SAMPLES_PER_MS

    def _pause(self, utterance: Utterance) -> Pause:
        heard = self.range_of(utterance)
        return Pause(
            self._verdicts.is_known(heard),
            self._verdicts.probability(heard),
            self._speculative.was_tried(*heard),
            self._speculative.ending(*heard),
        )


def _whole_windows(milliseconds: int) -> int:
    return max(1, -(-milliseconds // WINDOW_MS)) * WINDOW_MS
