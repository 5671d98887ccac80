"""One live session, pure: frames and hypotheses in; events, commits and wishes for decodes out.

    frames ─▶ voice gate ─▶ utterance (open) ─ partial decodes ─▶ stable / unstable text
                               │ silence, finalize, idle, stop, too long
                               ▼
                            closed utterances, first in first out ─ one full decode each ─▶ final

What a final says depends on the committed position, the audio behind it and the carried context alone, never on when
a decode ran: its audio range is fixed by the voice gate.
"""

from collections import deque

import numpy as np

from stt_shared.contracts.events import Done, Event, SpeechEnded, SpeechStarted, StageTiming, iso_timestamp
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import CarriedContext, SessionConfig
from stt_transcriber.core import guards
from stt_transcriber.core.agreement import Agreement
from stt_transcriber.core.buffer import RollingBuffer
from stt_transcriber.core.cut_point import cut_point
from stt_transcriber.core.early_final import EarlyFinal
from stt_transcriber.core.endpoint import Endpoint
from stt_transcriber.core.frame_times import FrameTimes
from stt_transcriber.core.hypothesis import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.listener import Listener, Voice
from stt_transcriber.core.outcome import Advance, Outcome
from stt_transcriber.core.policy import LivePolicy
from stt_transcriber.core.scheduler import Kind
from stt_transcriber.core.speech import WINDOW_SAMPLES
from stt_transcriber.core.text import separator
from stt_transcriber.core.utterance import SAMPLES_PER_MS, Place, Ticket, Utterance, final_event, partial_event, placed


class LiveSession:
    """``feed`` frames, ask ``wish`` for the decode that is due, ``begin`` it, ``apply`` its hypothesis."""

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        policy: LivePolicy,
        voice: Voice,
        *,
        committed_samples: int = 0,
        committed_seq: int = 0,
        finals: int = 0,
        context: CarriedContext | None = None,
    ) -> None:
        self._id = session_id
        self._config = config
        self._policy = policy
        self._buffer = RollingBuffer(committed_samples)
        self._ear = Listener(voice, policy.gate, committed_samples)
        self._gate = self._ear.gate
        self._endpoint = Endpoint(policy, config.endpointing_ms, self._ear)
        self._open: Utterance | None = None
        self._closed: deque[Utterance] = deque()
        self._early = EarlyFinal()
        self._in_hand: Ticket | None = None
        self._waiting: deque[Frame] = deque()  # behind a pause that is not decided
        self._frames = FrameTimes(committed_seq)
        self._committed = committed_samples
        self._finals = finals
        self._context = context or CarriedContext()
        self._language = config.language or self._context.language
        self._texts: list[str] = []
        self._stopping = False
        self._stop_error = ""
        self.speculates = True  # the final is decoded while the pause may still turn out not to be the end
        self.rejected: list[str] = []  # reasons of the guards, for the metrics

    @property
    def finished(self) -> bool:
        """`stop` was read and every utterance before it has its final."""
        return self._stopping and not self._closed and self._open is None

    @property
    def stop_error(self) -> str:
        """Why the audio ended, when an earlier stage failed; '' otherwise."""
        return self._stop_error

    @property
    def speaking(self) -> bool:
        """An utterance is open or waits for its final."""
        return self._open is not None or bool(self._closed)

    def feed(self, frame: Frame, now_wall_ms: float) -> list[Outcome]:
        """Takes the next frame of the PCM log."""
        outcomes: list[Outcome] = []
        if self._waiting or (frame.kind is not FrameKind.AUDIO and self._is_undecided()):
            self._waiting.append(frame)
        else:
            self._take(frame, outcomes, now_wall_ms)
        return outcomes

    def wish(self) -> Kind | None:
        """The decode that is due, None when nothing is (or one is in hand)."""
        if self._in_hand is not None:
            return None
        if self._closed:
            return Kind.FINAL
        utterance = self._open
        if utterance is None or not self._endpoint.voiced_enough():
            return None
        if self._endpoint.may_be_over() and (self.speculates or self._policy.sentence_endpointing_ms):
            # The pause may be the end: decode the final now, so that it is ready when the pause is long enough.
            return None if self._early.was_tried(self._endpoint.early_end) else Kind.FINAL
        if not self._config.interim_results:
            return None
        if utterance.decoded_to == 0:
            enough = self._policy.first_partial_ms * SAMPLES_PER_MS
            return Kind.FIRST if self._buffer.end - self._ear.speech_start >= enough else None
        return Kind.PARTIAL if self._ear.speech_end > utterance.decoded_to else None

    def begin(self) -> Ticket | None:
        """The model is free: what to decode, with whatever audio there is by now. None: nothing is due any more."""
        kind = self.wish()
        if kind is None:
            return None
        if self._closed:
            utterance = self._closed[0]
            ticket = self._ticket(Kind.FINAL, utterance, utterance.start, utterance.end)
        else:
            assert self._open is not None
            utterance = self._open
            if kind is Kind.FINAL:
                ticket = self._ticket(kind, utterance, utterance.start, self._endpoint.early_end)
            else:
                self._trim_window(utterance)
                ticket = self._ticket(kind, utterance, utterance.window_start, self._buffer.end)
                utterance.decoded_to = self._buffer.end
        self._in_hand = ticket
        return ticket

    def needs_no_model(self) -> bool:
        """The next final has been decoded already, or holds no speech: ``settle`` gives it at once."""
        if not self._closed:
            return False
        head = self._closed[0]
        return self._early.is_of(head.start, head.end)

    def settle(self, now_wall_ms: float) -> list[Outcome]:
        """Publishes the final that was decoded early; see ``needs_no_model``."""
        hypothesis = self._early.hypothesis
        assert hypothesis is not None
        outcomes: list[Outcome] = []
        self._finish(self._closed.popleft(), hypothesis, outcomes, now_wall_ms)
        return outcomes

    def apply(self, ticket: Ticket, hypothesis: Hypothesis, now_wall_ms: float) -> list[Outcome]:
        """Takes the hypothesis of a ticket from ``begin``."""
        self._in_hand = None
        outcomes: list[Outcome] = []
        if ticket.kind is not Kind.FINAL:
            if ticket.utterance is self._open:
                self._show(ticket, hypothesis, outcomes, now_wall_ms)
        elif self._closed and ticket.utterance is self._closed[0] and ticket.end == self._closed[0].end:
            self._finish(self._closed.popleft(), hypothesis, outcomes, now_wall_ms)
        else:
            # Decoded early: it counts if the pause turns out to be the end, and is a good draft in any case.
            self._early.keep(ticket.begin, ticket.end, hypothesis)
            if ticket.utterance is self._open and self._config.interim_results:
                self._show(ticket, hypothesis, outcomes, now_wall_ms)
            self._go_on(outcomes, now_wall_ms)
        return outcomes

    def fail(self, ticket: Ticket, now_wall_ms: float) -> list[Outcome]:
        """The model failed on a ticket: a partial is let go, a final is made of what was shown last."""
        self._in_hand = None
        outcomes: list[Outcome] = []
        if ticket.kind is Kind.FINAL and self._closed and ticket.utterance is self._closed[0]:
            nothing = Hypothesis("", (), self._language or "", 0.0, 0.0, 0.0, 0.0)
            self._finish(self._closed.popleft(), nothing, outcomes, now_wall_ms)
        elif ticket.kind is Kind.FINAL:
            self._early.failed(ticket.end)
            self._go_on(outcomes, now_wall_ms)
        return outcomes

    def done(self, timings_ms: dict[str, StageTiming]) -> Done:
        """The answer to `stop`."""
        return Done(
            session_id=self._id,
            text=" ".join(self._texts),
            duration_ms=self._buffer.end // SAMPLES_PER_MS,
            finals=self._finals,
            timings_ms=timings_ms,
        )

    def _take(self, frame: Frame, outcomes: list[Outcome], now_wall_ms: float) -> None:
        if frame.kind is FrameKind.AUDIO:
            samples = np.frombuffer(frame.data, np.int16)
            # After a takeover the first frame may begin before the committed position.
            self._buffer.append(samples[max(0, self._buffer.end - frame.meta.start_sample) :])
            self._frames.add(frame.seq, self._buffer.end, frame.meta.received_ms)
            self._ear.hear(self._buffer)
            self._follow(outcomes, now_wall_ms)
        else:
            self._end_of_speech(outcomes, now_wall_ms)
            if frame.kind is FrameKind.STOP:
                self._stopping = True
                self._stop_error = frame.meta.error
            else:
                self._frames.add(frame.seq, self._buffer.end, frame.meta.received_ms)
        if not self.speaking:
            self._advance_through_silence(outcomes)

    def _go_on(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """A pause may be decided now: takes what came behind it."""
        self._follow(outcomes, now_wall_ms)
        while self._waiting and not self._is_undecided():
            self._take(self._waiting.popleft(), outcomes, now_wall_ms)

    def _follow(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """Leads the gate through what was heard, as far as it goes, or to a pause that waits for its text."""
        while not self._is_undecided():
            if self._is_sentence_pause() and self._early.ends_sentence(self._endpoint.early_end):
                self._close(self._endpoint.early_end, outcomes, now_wall_ms)
            if not self._ear.has_more:
                return
            self._step(outcomes, now_wall_ms)

    def _step(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        if self._ear.step():
            self._begin_utterance(outcomes, now_wall_ms)
        utterance = self._open
        if utterance is None:
            return
        if self._endpoint.is_over():
            self._close(self._endpoint.early_end, outcomes, now_wall_ms)
        elif self._ear.position - utterance.start >= self._policy.max_utterance_ms * SAMPLES_PER_MS:
            self._split(utterance)

    def _is_undecided(self) -> bool:
        """A sentence may end here, and its text is not there yet. Until then the gate stands still: were it to go on,
        the ranges of finals would depend on how fast the model is."""
        return self._is_sentence_pause() and not self._early.was_tried(self._endpoint.early_end)

    def _is_sentence_pause(self) -> bool:
        return self._open is not None and self._endpoint.ends_a_sentence_if_any()

    def _begin_utterance(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        speech = self._ear.speech_start
        earliest = self._closed[-1].end if self._closed else self._committed
        start = max(earliest, self._buffer.start, speech - self._policy.pre_roll_ms * SAMPLES_PER_MS)
        self._open = self._new_utterance(start)
        outcomes.append(
            Outcome(
                SpeechStarted(
                    session_id=self._id, start_ms=speech // SAMPLES_PER_MS, timestamp=iso_timestamp(now_wall_ms)
                )
            )
        )

    def _new_utterance(self, start: int) -> Utterance:
        return Utterance(start, Agreement(self._policy.margin_ms), window_start=start)

    def _end_of_speech(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """`finalize`, `idle` and `stop`: the utterance ends here, however little silence there was."""
        if self._open is None and self._gate.is_rising:
            self._gate.begin()
            self._begin_utterance(outcomes, now_wall_ms)
        if self._open is not None:
            early = self._endpoint.early_end
            settled = self._endpoint.may_be_over()
            # However short: it may be the last word.
            self._close(early if settled else self._buffer.end, outcomes, now_wall_ms, asked_for=True)

    def _close(self, end: int, outcomes: list[Outcome], now_wall_ms: float, *, asked_for: bool = False) -> None:
        utterance = self._open
        assert utterance is not None
        voiced = asked_for or self._endpoint.voiced_enough()
        speech_end = self._ear.speech_end
        self._open = None
        self._gate.end()
        utterance.end = min(end, self._buffer.end)
        outcomes.append(
            Outcome(
                SpeechEnded(
                    session_id=self._id, end_ms=speech_end // SAMPLES_PER_MS, timestamp=iso_timestamp(now_wall_ms)
                )
            )
        )
        if voiced:
            self._closed.append(utterance)

    def _split(self, utterance: Utterance) -> None:
        """An utterance as long as the model can take is cut between words; speech goes on in the next one."""
        look_back = self._policy.cut_look_back_ms * SAMPLES_PER_MS
        at = cut_point(self._buffer, self._ear.track, self._ear.position - look_back, self._ear.position)
        utterance.end = at
        self._closed.append(utterance)
        self._open = self._new_utterance(at)
        self._gate.split()

    def _show(self, ticket: Ticket, hypothesis: Hypothesis, outcomes: list[Outcome], now_wall_ms: float) -> None:
        utterance = ticket.utterance
        if self._refused(hypothesis, ticket.begin, ticket.end, ticket.request.quality):
            return
        if self._language_is_a_guess(hypothesis):
            return
        end_ms = ticket.end // SAMPLES_PER_MS
        utterance.agreement.update(placed(hypothesis, ticket.begin), end_ms, hypothesis.safe_words)
        utterance.agreement.force(end_ms - self._policy.max_uncommitted_ms)
        place = self._place(self._finals + len(self._closed) + 1, ticket.end, now_wall_ms)
        event = partial_event(utterance, place, end_ms, separator(hypothesis.language, self._config.task))
        if event is not None:
            outcomes.append(Outcome(event))

    def _finish(
        self, utterance: Utterance, hypothesis: Hypothesis, outcomes: list[Outcome], now_wall_ms: float
    ) -> None:
        self._early.forget()
        words = placed(hypothesis, utterance.start)
        refused = self._refused(hypothesis, utterance.start, utterance.end, Quality.FULL)
        if refused:
            # Better what the guards let through while the utterance grew than nothing.
            words = list(utterance.agreement.stable)
        if not words and not utterance.shown:
            # Nothing was said and nothing was shown: there is nothing to tell.
            self._advance_to(utterance.end, outcomes)
            return
        if not refused and not self._language_is_a_guess(hypothesis):
            self._language = self._language or hypothesis.language
        self._finals += 1
        place = self._place(self._finals, utterance.end, now_wall_ms)
        event = final_event(utterance, place, words, self._language or hypothesis.language, self._config.task)
        self._texts += [event.text] if event.text else []
        self._context = CarriedContext(
            language=None if self._config.language else self._language,
            text=event.text[max(0, len(event.text) - self._policy.context_chars) :],
            end_sample=utterance.end,
        )
        self._advance_to(utterance.end, outcomes, event)

    def _place(self, utterance: int, position: int, now_wall_ms: float) -> Place:
        return Place(self._id, utterance, now_wall_ms, self._frames.lag_ms(position, now_wall_ms))

    def _refused(self, hypothesis: Hypothesis, begin: int, end: int, quality: Quality) -> bool:
        reason = guards.reason_to_reject(hypothesis, self._ear.track.share(begin, end), quality)
        if reason:
            self.rejected.append(reason)
        return reason is not None

    def _language_is_a_guess(self, hypothesis: Hypothesis) -> bool:
        """Text in the wrong language is worse than text half a second later."""
        return self._language is None and hypothesis.language_probability < self._policy.lock_language_above

    def _ticket(self, kind: Kind, utterance: Utterance, begin: int, end: int) -> Ticket:
        quality = Quality.FULL if kind is Kind.FINAL else Quality.DRAFT
        stable_before = [
            word.text for word in utterance.agreement.stable if word.end_ms <= begin // SAMPLES_PER_MS + 100
        ]
        before = " ".join(stable_before) if kind is not Kind.FINAL else ""
        prompt = " ".join(part for part in (self._config.prompt, self._carried(utterance), before) if part)
        request = DecodeRequest(
            self._buffer.as_float(begin, end),
            self._language,
            self._config.task,
            prompt,
            quality,
            begin,
            utterance.memory if quality is Quality.DRAFT else None,
        )
        return Ticket(kind, begin, end, request, utterance)

    def _carried(self, utterance: Utterance) -> str:
        gap = utterance.start - self._context.end_sample
        return self._context.text if gap <= self._policy.context_gap_ms * SAMPLES_PER_MS else ""

    def _trim_window(self, utterance: Utterance) -> None:
        """A partial's window grows only so long: beyond that it starts behind words that are stable."""
        window = self._buffer.end - utterance.window_start
        if window <= self._policy.window_ms * SAMPLES_PER_MS or not utterance.agreement.stable:
            return
        last_ms = utterance.agreement.stable[-1].end_ms
        utterance.window_start = max(utterance.window_start, (last_ms - 200) * SAMPLES_PER_MS)

    def _advance_through_silence(self, outcomes: list[Outcome]) -> None:
        settled = self._ear.position - (self._policy.pre_roll_ms * SAMPLES_PER_MS + 4 * WINDOW_SAMPLES)
        if settled - self._committed >= self._policy.idle_commit_ms * SAMPLES_PER_MS:
            self._advance_to(settled, outcomes)

    def _advance_to(self, samples: int, outcomes: list[Outcome], event: Event | None = None) -> None:
        self._committed = max(self._committed, samples)
        # The voice model may still have to hear the last part of a window.
        needed = min(self._committed, self._ear.position)
        self._buffer.drop_before(needed)
        self._ear.track.drop_before(needed)
        seq = self._frames.settle(self._committed)
        outcomes.append(Outcome(event, Advance(self._committed, seq, self._context)))
