"""Segmentation of a session's audio into utterances, by the VAD gate and by control frames.

The next owner after a takeover starts at a checkpoint, processes the audio between there and the committed position
once more, and passes over the utterances that it finds there: they are settled and their events were written.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import SessionConfig, VadCheckpoint
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point, whole_ms
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GateState
from stt_transcriber.core.audio.vad_stream import VadModel, VadStream
from stt_transcriber.core.live.checkpoint import Checkpoint, Checkpoints, SettledRanges
from stt_transcriber.core.live.endpoint import Endpoint
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.turn import Evidence, TurnVerdicts
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Utterance
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.agreement import Agreement


@dataclass(frozen=True)
class SpeechBegan:
    """Onset of speech at ``position``."""

    position: int


@dataclass(frozen=True)
class SpeechEnded:
    """End of speech at ``position``, after its last window with voice."""

    position: int


@dataclass(frozen=True)
class UtteranceClosed:
    """End of an utterance that needs a final.

    ``settled_until``: end of the part that has its final from before a takeover; None if there is no such part.
    """

    utterance: Utterance
    settled_until: int | None = None


SpeechEvent = SpeechBegan | SpeechEnded | UtteranceClosed


class Segmenter:
    """Segmenter of one session; its methods return what happened, in order.

    ``open``: the utterance being spoken, None if there is none. ``buffer`` and ``track``: the audio that is needed, and
    where in the uncommitted part there is voice. ``settled``: utterances before the committed position.
    ``first_position``: where the first window begins.
    """

    def __init__(
        self,
        policy: LivePolicy,
        config: SessionConfig,
        model: VadModel,
        speculative: SpeculativeFinal,
        verdicts: TurnVerdicts,
        *,
        committed_samples: int,
        committed_seq: int,
        checkpoint: VadCheckpoint | None,
    ) -> None:
        self._policy = policy
        self._config = config
        self._model = model
        # Without a checkpoint, start at the next window boundary, counted from the session's first sample.
        base = checkpoint.position if checkpoint else -(-committed_samples // WINDOW_SAMPLES) * WINDOW_SAMPLES
        self.buffer = RollingBuffer(min(base, committed_samples))
        self._vad = VadStream(model.probabilities, policy.gate, base)
        self.track = self._vad.track
        self._gate = self._vad.gate
        self._endpoint = Endpoint(policy, config, self._vad, speculative, verdicts)
        self.first_position = base
        self.open: Utterance | None = None
        self.settled = SettledRanges(committed_samples, checkpoint.ends if checkpoint else ())
        self._events: list[SpeechEvent] = []
        self._last_end = committed_samples
        if checkpoint:
            model.restore(checkpoint.voice)
            self._gate.restore(GateState(*checkpoint.gate))
            self._last_end = checkpoint.last_end
            self.open = None if checkpoint.open_start is None else self._new_utterance(checkpoint.open_start)
        self._checkpoints = Checkpoints(Checkpoint(base, committed_seq, model.state()))
        self._complete_checkpoint()

    @property
    def has_just_begun(self) -> bool:
        """Whether the open utterance has hardly a word yet."""
        return self.open is not None and self._spoken_samples < self._policy.young_ms * SAMPLES_PER_MS

    @property
    def is_undecided(self) -> bool:
        """Whether the utterance may end here, and not enough is known yet to decide it.

        Until then the gate waits: if it continued, the ranges of finals would depend on the speed of the model.
        """
        return self.open is not None and not self._is_replay and isinstance(self._endpoint.verdict(self.open), Evidence)

    @property
    def earliest_end(self) -> int:
        """Position before which no utterance will end that has not ended yet.

        It depends on the audio alone, and holds for the next owner too, which hears the same audio.
        """
        utterance = self.open
        if utterance is None:
            # A control frame may end speech that is just starting; other speech takes another window.
            return self._vad.position + (0 if self._gate.is_rising else WINDOW_SAMPLES)
        uncut_ms = max(0, self._policy.max_utterance_ms - self._policy.cut_look_back_ms)
        earliest_cut = utterance.start + uncut_ms * SAMPLES_PER_MS
        return whole_ms(min(self._endpoint.pause_end, self._vad.position, earliest_cut))

    @property
    def pause_end(self) -> int:
        """End of the open utterance if the present pause turns out to end it."""
        return self._endpoint.pause_end

    @property
    def speech_end(self) -> int:
        """Position after the last voice."""
        return self._vad.speech_end

    @property
    def silent_until(self) -> int:
        """Position up to which no utterance can begin any more; only meaningful while none is open."""
        return self._vad.position - (self._policy.pre_roll_ms * SAMPLES_PER_MS + 4 * WINDOW_SAMPLES)

    def should_decode(self, *, speculates: bool) -> Kind | None:
        """Return the decode that is due for the open utterance, None if none is.

        ``speculates``: there is time to decode a final that may turn out to be useless.
        """
        utterance = self.open
        if utterance is None or self._is_replay or not self._endpoint.has_enough_voice():
            return None
        due = self._endpoint.due_decode(utterance, speculates=speculates)
        if due is not None:
            return due
        if not self._config.interim_results or self._endpoint.has_final(utterance):
            return None
        if utterance.decoded_to == 0:
            enough = self._policy.first_partial_ms * SAMPLES_PER_MS
            return Kind.FIRST if self._spoken_samples >= enough else None
        # In a pause that is no end, a draft of what a final would comprise: its words settle as soon as in any other.
        until = self._endpoint.pause_end if speculates and self._endpoint.may_be_over() else self._vad.speech_end
        return Kind.PARTIAL if until > utterance.decoded_to else None

    def add(self, samples: NDArray[np.int16], seq: int) -> list[SpeechEvent]:
        """Process the audio of frame ``seq``, int16 [n]."""
        self.buffer.append(samples)
        covered_until = self._vad.process(self.buffer)
        last_seq = seq if covered_until >= self.buffer.end else seq - 1
        self._checkpoints.add(covered_until, last_seq, self._model.state)
        return self.advance()

    def skip(self, seq: int) -> None:
        """Record that frame ``seq`` lies before all audio to be processed."""
        self._checkpoints.skip(seq)

    def advance(self) -> list[SpeechEvent]:
        """Move the gate through the available windows, or up to a pause that waits for its text."""
        while not self.is_undecided and self._step():
            pass
        return self._take_events()

    def end_speech(self, *, stalled: bool = False) -> list[SpeechEvent]:
        """End the utterance here, however short the silence, for `finalize`, `idle` and `stop`.

        ``stalled``: the speaker did not ask for it, and may continue in mid-word when the client sends audio again.
        """
        if self.open is None and self._gate.is_rising:
            self._gate.begin()
            self._begin()
        if self.open is not None:
            end = self._endpoint.pause_end if self._endpoint.may_be_over() else self.buffer.end
            # However short the utterance is, it may be the last word.
            self._close(end, requested=True)
            if stalled:
                self._gate.interrupt(self._endpoint.pause_ms)
        return self._take_events()

    def commit(self, position: int, needed_from: int) -> tuple[int, VadCheckpoint | None]:
        """Drop what lies before a position, but no audio from ``needed_from`` on; return what the next owner needs.

        That is the seq after which it needs the frames, and the checkpoint; 0 and None if there is no checkpoint at or
        before the position.
        """
        # The VAD model may not have processed the last part of a window yet.
        self.buffer.drop_before(min(needed_from, self._vad.position))
        self.track.drop_before(min(position, self._vad.position))
        checkpoint = self._checkpoints.before(needed_from)
        return (checkpoint.seq, self.settled.stored(checkpoint)) if checkpoint else (0, None)

    @property
    def _is_replay(self) -> bool:
        """Whether the open utterance already has its final, from before a takeover."""
        return self.open is not None and self.settled.covers(self.open.start)

    @property
    def _spoken_samples(self) -> int:
        return self.buffer.end - self._vad.speech_start

    def _step(self) -> bool:
        """End the open utterance here, or else move the gate by one window; return False if there is none."""
        if self.open is not None and self._ends_here(self.open):
            self._close(self._endpoint.pause_end)
        elif self.open is not None and self._is_too_long(self.open):
            # Before the next window: what is left may end here too.
            self._split(self.open)
            return True
        if not self._vad.has_more:
            return False
        if self._vad.step():
            self._begin()
        self._complete_checkpoint()
        return True

    def _is_too_long(self, utterance: Utterance) -> bool:
        return self._vad.position - utterance.start >= self._policy.max_utterance_ms * SAMPLES_PER_MS

    def _ends_here(self, utterance: Utterance) -> bool:
        if self._is_replay:
            # It is not judged again; an end recorded here shows that it ended here the first time.
            ended = self._endpoint.may_be_over() and self.settled.ended_at(self._endpoint.pause_end)
            return ended or self._endpoint.is_settled()
        return self._endpoint.verdict(utterance) is True

    def _begin(self) -> None:
        speech = self._vad.speech_start
        self.open = self._new_utterance(max(self._last_end, speech - self._policy.pre_roll_ms * SAMPLES_PER_MS))
        if not self._is_replay:
            self._events.append(SpeechBegan(speech))

    def _new_utterance(self, start: int) -> Utterance:
        return Utterance(start, Agreement(self._policy.margin_ms), window_start=start)

    def _close(self, end: int, *, requested: bool = False) -> None:
        utterance = self.open
        assert utterance is not None
        is_replay = self._is_replay
        # A stalled client counts as silent, and its utterance ends in mid-speech, so the rest may be short.
        is_continuation = self._gate.is_rest or 0 < self._last_end == utterance.start
        voiced = self._endpoint.has_enough_voice() or ((requested or is_continuation) and self._vad.voiced_ms > 0)
        utterance.end = whole_ms(end)
        self.open = None
        self._gate.end()
        if is_replay:
            if self.settled.ended_at(utterance.end):
                self._last_end = utterance.end
                self._events.append(UtteranceClosed(utterance, self.settled.resumed_at))
            return
        self._events.append(SpeechEnded(self._vad.speech_end))
        # The rest of an utterance that was cut in its last pause may end before it begins.
        if voiced and utterance.end > utterance.start:
            self._await_final(utterance)

    def _split(self, utterance: Utterance) -> None:
        """Cut an utterance of the maximum length between words; speech continues in the next utterance."""
        if self._is_replay:
            utterance.end = self._last_end = self.settled.end_after(utterance.start)
            self._events.append(UtteranceClosed(utterance, self.settled.resumed_at))
        else:
            earliest = self._vad.position - self._policy.cut_look_back_ms * SAMPLES_PER_MS
            begin = max(utterance.start, earliest)
            utterance.end = cut_point(self.buffer, self.track, begin, self._vad.position)
            self._await_final(utterance)
        self.open = self._new_utterance(utterance.end)
        self._vad.split(utterance.end)

    def _await_final(self, utterance: Utterance) -> None:
        # Computed here, because more of the last window will have been processed by the time of the final.
        utterance.voice_share = self.track.share(utterance.start, utterance.end)
        self._last_end = utterance.whole_end = utterance.end
        self._events.append(UtteranceClosed(utterance))

    def _take_events(self) -> list[SpeechEvent]:
        events, self._events = self._events, []
        return events

    def _complete_checkpoint(self) -> None:
        open_start = None if self.open is None else self.open.start
        self._checkpoints.complete(self._vad.position, self._gate.state, open_start, self._last_end)
