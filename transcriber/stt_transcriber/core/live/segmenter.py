"""Segmentation of a session's audio into utterances, by the VAD gate and by control frames.

The next owner after a takeover starts at a checkpoint, processes the audio between there and the committed position
once more, and passes over the utterances that it finds there: they are settled and their events were written.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.events import SpeechEnded, SpeechStarted, iso_timestamp
from stt_shared.contracts.session import Task, VadCheckpoint
from stt_transcriber.core.audio.buffer import RollingBuffer
from stt_transcriber.core.audio.cut_point import cut_point, whole_ms
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES, GateState
from stt_transcriber.core.audio.vad_stream import VadModel, VadStream
from stt_transcriber.core.live.checkpoint import Checkpoint, Checkpoints, SettledRanges
from stt_transcriber.core.live.endpoint import Endpoint
from stt_transcriber.core.live.outcome import Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Utterance
from stt_transcriber.core.text.agreement import Agreement, PlacedWord
from stt_transcriber.core.text.missed_speech import Accepted, Retry, Speech


class Segmenter:
    """Segmenter of one session.

    ``open``: the utterance being spoken, None if there is none. ``closed``: utterances that wait for their finals,
    first in, first out.
    """

    def __init__(
        self,
        session_id: str,
        policy: LivePolicy,
        endpointing_ms: int,
        voice: VadModel,
        *,
        committed_samples: int,
        committed_seq: int,
        heard: VadCheckpoint | None,
    ) -> None:
        self._id = session_id
        self._policy = policy
        self._voice = voice
        # Without a checkpoint, start at the next window boundary, counted from the session's first sample.
        base = heard.position if heard else -(-committed_samples // WINDOW_SAMPLES) * WINDOW_SAMPLES
        self.buffer = RollingBuffer(min(base, committed_samples))
        self.vad = VadStream(voice.probabilities, policy.gate, base)
        self.endpoint = Endpoint(policy, endpointing_ms, self.vad)
        self.open: Utterance | None = None
        self.closed: deque[Utterance] = deque()
        self._gate = self.vad.gate
        self._last_end = committed_samples
        self._settled = SettledRanges(committed_samples, heard.ends if heard else ())
        if heard:
            voice.restore(heard.voice)
            self._gate.restore(GateState(*heard.gate))
            self._last_end = heard.last_end
            self.open = None if heard.open_start is None else self._new_utterance(heard.open_start)
        self._checkpoints = Checkpoints(Checkpoint(base, committed_seq, voice.state()))
        self._reached()

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open or waits for its final."""
        return self.open is not None or bool(self.closed)

    @property
    def passes_over(self) -> bool:
        """Whether the open utterance already has its final, from before a takeover."""
        return self.open is not None and self._settled.holds(self.open.start)

    @property
    def is_sentence_pause(self) -> bool:
        """Whether the open utterance ends here if its text ends a sentence."""
        return self.open is not None and not self.passes_over and self.endpoint.ends_a_sentence_if_any()

    def hear(self, samples: NDArray[np.int16], seq: int) -> None:
        """Append the audio of frame ``seq``, int16 [n]; ``step`` must follow."""
        self.buffer.append(samples)
        covered_until = self.vad.hear(self.buffer)
        self._checkpoints.heard(covered_until, seq if covered_until >= self.buffer.end else seq - 1, self._voice.state)

    def skip(self, seq: int) -> None:
        """Record that frame ``seq`` lies before all audio to be processed."""
        self._checkpoints.skipped(seq)

    def step(self, early: SpeculativeFinal, outcomes: list[Outcome], now_wall_ms: float) -> bool:
        """Move the gate by one window; return False if there is none."""
        if self._ends_here(early):
            self._close(self.endpoint.early_end, outcomes, now_wall_ms)
        if not self.vad.has_more:
            return False
        if self.vad.step():
            self._begin(outcomes, now_wall_ms)
        if self.open is not None:
            if self.endpoint.is_over():
                self._close(self.endpoint.early_end, outcomes, now_wall_ms)
            elif self.vad.position - self.open.start >= self._policy.max_utterance_ms * SAMPLES_PER_MS:
                self._split(self.open)
        self._reached()
        return True

    def end_of_speech(self, outcomes: list[Outcome], now_wall_ms: float, *, stalled: bool = False) -> None:
        """End the utterance here, however short the silence, for `finalize`, `idle` and `stop`.

        ``stalled``: the speaker did not ask for it, and may continue in mid-word when the client sends audio again.
        """
        if self.open is None and self._gate.is_rising:
            self._gate.begin()
            self._begin(outcomes, now_wall_ms)
        if self.open is not None:
            end = self.endpoint.early_end if self.endpoint.may_be_over() else self.buffer.end
            # However short the utterance is, it may be the last word.
            self._close(end, outcomes, now_wall_ms, asked_for=True)
            if stalled:
                self._gate.interrupt(self.endpoint.pause_ms)

    def settled_by(self, words: Sequence[PlacedWord], task: Task, *, truncated: bool) -> Accepted | Retry:
        """Decide what ``words`` settle of the first closed utterance; they are empty if its text was rejected."""
        head = self.closed[0]
        shortened = head.end < head.whole_end
        return self._speech(head.start, head.end).settle(words, task, shortened=shortened, truncated=truncated)

    def give_up(self) -> Accepted:
        """Settle the first closed utterance without a text."""
        head = self.closed[0]
        return self._speech(head.start, head.end).give_up()

    def shorten(self, end: int) -> None:
        """Shorten the first closed utterance: it is decoded up to ``end`` alone, and what follows later."""
        head = self.closed.popleft()
        self.closed.appendleft(self._part(head.start, end, head.whole_end))

    def settle(self, until: int | None = None) -> Utterance:
        """Remove and return the first closed utterance, which has its final or needs none.

        ``until``: end of that final, if it does not reach the utterance's end. The audio that was not decoded becomes
        the first waiting utterance. It always comprises the whole rest, however the utterance was shortened, because
        the next owner knows only where to continue.
        """
        utterance = self.closed.popleft()
        self._settled.add(utterance.whole_end)
        if until is not None:
            utterance.end = until
        rest = self._rest(utterance.start, utterance.end, utterance.whole_end)
        if rest is None:
            utterance.end = utterance.whole_end
        else:
            self.closed.appendleft(rest)
        return utterance

    def commit(self, position: int) -> tuple[int, VadCheckpoint | None]:
        """Drop what lies before a position and return what the next owner needs.

        That is the seq after which it needs the frames, and the checkpoint; 0 and None if there is no checkpoint at or
        before the position.
        """
        # The VAD model may not have processed the last part of a window yet.
        needed = min(position, self.vad.position)
        self.buffer.drop_before(needed)
        self.vad.track.drop_before(needed)
        checkpoint = self._checkpoints.before(position)
        return (checkpoint.seq, self._settled.hearing(checkpoint)) if checkpoint else (0, None)

    def _ends_here(self, early: SpeculativeFinal) -> bool:
        if self.passes_over:
            # Its text is not decoded again; an end recorded here shows that it ended here the first time.
            return self.endpoint.may_be_over() and self._settled.ended_at(self.endpoint.early_end)
        return self.is_sentence_pause and early.ends_sentence(self.endpoint.early_end)

    def _begin(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        speech = self.vad.speech_start
        self.open = self._new_utterance(max(self._last_end, speech - self._policy.pre_roll_ms * SAMPLES_PER_MS))
        if not self.passes_over:
            timestamp = iso_timestamp(now_wall_ms)
            started = SpeechStarted(session_id=self._id, start_ms=speech // SAMPLES_PER_MS, timestamp=timestamp)
            outcomes.append(Outcome(started))

    def _new_utterance(self, start: int) -> Utterance:
        return Utterance(start, Agreement(self._policy.margin_ms), window_start=start)

    def _close(self, end: int, outcomes: list[Outcome], now_wall_ms: float, *, asked_for: bool = False) -> None:
        utterance = self.open
        assert utterance is not None
        passed_over = self.passes_over
        # A stalled client counts as silent, and its utterance ends in mid-speech, so the rest may be short.
        goes_on = self._gate.is_rest or 0 < self._last_end == utterance.start
        voiced = self.endpoint.voiced_enough() or ((asked_for or goes_on) and self.vad.voiced_ms > 0)
        utterance.end = whole_ms(end)
        self.open = None
        self._gate.end()
        if passed_over:
            if self._settled.ended_at(utterance.end):
                self._last_end = utterance.end
                self._await_rest(utterance)
            return
        timestamp = iso_timestamp(now_wall_ms)
        end_ms = self.vad.speech_end // SAMPLES_PER_MS
        outcomes.append(Outcome(SpeechEnded(session_id=self._id, end_ms=end_ms, timestamp=timestamp)))
        # The rest of an utterance that was cut in its last pause may end before it begins.
        if voiced and utterance.end > utterance.start:
            self._await_final(utterance)

    def _split(self, utterance: Utterance) -> None:
        """Cut an utterance of the maximum length between words; speech continues in the next utterance."""
        if self.passes_over:
            utterance.end = self._last_end = self._settled.end_after(utterance.start)
            self._await_rest(utterance)
        else:
            earliest = self.vad.position - self._policy.cut_look_back_ms * SAMPLES_PER_MS
            begin = max(utterance.start, earliest)
            utterance.end = cut_point(self.buffer, self.vad.track, begin, self.vad.position)
            self._await_final(utterance)
        self.open = self._new_utterance(utterance.end)
        self.vad.split(utterance.end)

    def _await_final(self, utterance: Utterance) -> None:
        # Computed here, because more of the last window will have been processed by the time of the final.
        utterance.voice_share = self.vad.track.share(utterance.start, utterance.end)
        self._last_end = utterance.whole_end = utterance.end
        self.closed.append(utterance)

    def _await_rest(self, passed_over: Utterance) -> None:
        """Queue the rest of an utterance if only its beginning had a final before a takeover."""
        rest = self._rest(passed_over.start, self._settled.resumed_at, passed_over.end)
        if rest is not None:
            self.closed.append(rest)

    def _rest(self, start: int, settled: int, whole_end: int) -> Utterance | None:
        """Return the part still to be decoded of an utterance that begins at ``start``; None: nothing."""
        begin = self._speech(start, settled).rest(whole_end) if settled < whole_end else whole_end
        return self._part(begin, whole_end, whole_end) if begin < whole_end else None

    def _speech(self, begin: int, end: int) -> Speech:
        return Speech(self.buffer, self.vad.track, begin, end)

    def _part(self, start: int, end: int, whole_end: int) -> Utterance:
        part = self._new_utterance(start)
        part.end, part.whole_end = end, whole_end
        # Only whole windows: one that extends beyond the end may or may not have been processed yet.
        part.voice_share = self.vad.track.share(start, end // WINDOW_SAMPLES * WINDOW_SAMPLES)
        return part

    def _reached(self) -> None:
        open_start = None if self.open is None else self.open.start
        self._checkpoints.until_answered(self.vad.position, self._gate.state, open_start, self._last_end)
