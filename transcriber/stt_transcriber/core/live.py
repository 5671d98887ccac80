"""One live session, pure: frames and hypotheses in; events, commits and wishes for decodes out.

    frames ─▶ voice gate ─▶ utterance (open) ─ partial decodes ─▶ stable / unstable text
                               │ silence, finalize, idle, stop, too long
                               ▼
                            closed utterances, first in first out ─ one full decode each ─▶ final

What a final says depends on the committed position, the audio behind it and the carried context alone, never on when
a decode ran: its audio range is fixed by the voice gate.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.events import (
    Done,
    Event,
    Final,
    Partial,
    SpeechEnded,
    SpeechStarted,
    StageTiming,
    Word,
    iso_timestamp,
)
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import CarriedContext, SessionConfig
from stt_transcriber.core import guards
from stt_transcriber.core.agreement import Agreement, PlacedWord
from stt_transcriber.core.buffer import RollingBuffer
from stt_transcriber.core.hypothesis import SAMPLE_RATE, DecodeRequest, Hypothesis, Memory, Quality
from stt_transcriber.core.policy import LivePolicy
from stt_transcriber.core.scheduler import Kind
from stt_transcriber.core.speech import WINDOW_MS, WINDOW_SAMPLES, SpeechGate
from stt_transcriber.core.text import join_words, new_part, separator

_SAMPLES_PER_MS = SAMPLE_RATE // 1000

Voice = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [n * 512] -> probability of voice [n]; carries its own state from call to call."""


@dataclass(frozen=True)
class Advance:
    """Audio before ``samples`` and frames up to ``seq`` are settled."""

    samples: int
    seq: int
    context: CarriedContext


@dataclass(frozen=True)
class Outcome:
    """Something to tell: an event, a step of the committed position, or both in one."""

    event: Event | None
    advance: Advance | None = None


@dataclass
class _Utterance:
    """From ``start`` to ``end`` (open: as far as the audio goes), in samples."""

    start: int
    agreement: Agreement
    end: int = 0
    shown: str = ""
    decoded_to: int = 0
    window_start: int = 0
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Ticket:
    """A decode in hand: which audio, for which utterance, for what."""

    kind: Kind
    begin: int
    end: int
    request: DecodeRequest
    utterance: "_Utterance" = field(repr=False)


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
        self._voice = voice
        self._buffer = RollingBuffer(committed_samples)
        self._base = committed_samples  # position of the voice gate's window 0
        self._listened = committed_samples
        self._gate = SpeechGate(policy.gate)
        self._open: _Utterance | None = None
        self._closed: deque[_Utterance] = deque()
        self._early: tuple[int, int, Hypothesis] | None = None  # a final decoded before its endpoint: range, result
        self._early_failed_at = -1  # the end of one that the model failed on: not tried again before the endpoint
        self._in_hand: Ticket | None = None
        self._frame_ends: deque[tuple[int, int, float]] = deque()  # seq, end position, received at (wall)
        self._committed = committed_samples
        self._committed_seq = committed_seq
        self._finals = finals
        self._context = context or CarriedContext()
        self._language = config.language or self._context.language
        self._texts: list[str] = []
        self._stopping = False
        self._stop_error = ""
        self.received_ms = 0.0  # wall clock of the newest audio
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
        if frame.kind is FrameKind.AUDIO:
            samples = np.frombuffer(frame.data, np.int16)
            # After a takeover the first frame may begin before the committed position.
            self._buffer.append(samples[max(0, self._buffer.end - frame.meta.start_sample) :])
            self.received_ms = frame.meta.received_ms
            self._frame_ends.append((frame.seq, self._buffer.end, frame.meta.received_ms))
            self._listen(outcomes, now_wall_ms)
        else:
            self._end_of_speech(outcomes, now_wall_ms)
            if frame.kind is FrameKind.STOP:
                self._stopping = True
                self._stop_error = frame.meta.error
            else:
                self._frame_ends.append((frame.seq, self._buffer.end, frame.meta.received_ms))
        if not self.speaking:
            self._advance_through_silence(outcomes)
        return outcomes

    def wish(self) -> Kind | None:
        """The decode that is due, None when nothing is (or one is in hand)."""
        if self._in_hand is not None:
            return None
        if self._closed:
            return Kind.FINAL
        utterance = self._open
        if utterance is None or not self._voiced_enough():
            return None
        if self._gate.silence_ms >= self._early_silence_ms():
            # The pause may be the end: decode the final now, so that it is ready when the pause is long enough.
            tried = (self._early[1] if self._early else -1, self._early_failed_at)
            return Kind.FINAL if self._early_end() not in tried else None
        if not self._config.interim_results:
            return None
        spoken_to = self._at(self._gate.speech_end_window)
        if utterance.decoded_to == 0:
            enough = self._policy.first_partial_ms * _SAMPLES_PER_MS
            return Kind.FIRST if self._buffer.end - self._at(self._gate.speech_start_window) >= enough else None
        return Kind.PARTIAL if spoken_to > utterance.decoded_to else None

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
                ticket = self._ticket(kind, utterance, utterance.start, self._early_end())
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
        return self._early is not None and self._early[:2] == (head.start, head.end)

    def settle(self, now_wall_ms: float) -> list[Outcome]:
        """Publishes the final that was decoded early; see ``needs_no_model``."""
        assert self._early is not None
        hypothesis = self._early[2]
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
            self._early = (ticket.begin, ticket.end, hypothesis)
            if ticket.utterance is self._open and self._config.interim_results:
                self._show(ticket, hypothesis, outcomes, now_wall_ms)
        return outcomes

    def fail(self, ticket: Ticket, now_wall_ms: float) -> list[Outcome]:
        """The model failed on a ticket: a partial is let go, a final is made of what was shown last."""
        self._in_hand = None
        outcomes: list[Outcome] = []
        if ticket.kind is Kind.FINAL and self._closed and ticket.utterance is self._closed[0]:
            nothing = Hypothesis("", (), self._language or "", 0.0, 0.0, 0.0, 0.0)
            self._finish(self._closed.popleft(), nothing, outcomes, now_wall_ms)
        elif ticket.kind is Kind.FINAL:
            self._early_failed_at = ticket.end
        return outcomes

    def done(self, timings_ms: dict[str, StageTiming]) -> Done:
        """The answer to `stop`."""
        return Done(
            session_id=self._id,
            text=" ".join(self._texts),
            duration_ms=self._buffer.end // _SAMPLES_PER_MS,
            finals=self._finals,
            timings_ms=timings_ms,
        )

    def _listen(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        windows = (self._buffer.end - self._listened) // WINDOW_SAMPLES
        if not windows:
            return
        audio = self._buffer.as_float(self._listened, self._listened + windows * WINDOW_SAMPLES)
        for probability in self._voice(audio):
            self._listened += WINDOW_SAMPLES
            if self._gate.update(float(probability)):
                self._begin_utterance(outcomes, now_wall_ms)
            utterance = self._open
            if utterance is None:
                continue
            if self._gate.silence_ms >= max(self._config.endpointing_ms, WINDOW_MS):
                self._close(self._early_end(), outcomes, now_wall_ms)
            elif self._listened - utterance.start >= self._policy.max_utterance_ms * _SAMPLES_PER_MS:
                self._split(utterance)

    def _begin_utterance(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        speech = self._at(self._gate.speech_start_window)
        earliest = self._closed[-1].end if self._closed else self._committed
        start = max(earliest, self._buffer.start, speech - self._policy.pre_roll_ms * _SAMPLES_PER_MS)
        self._open = self._new_utterance(start)
        outcomes.append(
            Outcome(
                SpeechStarted(
                    session_id=self._id, start_ms=speech // _SAMPLES_PER_MS, timestamp=iso_timestamp(now_wall_ms)
                )
            )
        )

    def _new_utterance(self, start: int) -> _Utterance:
        return _Utterance(start, Agreement(self._policy.margin_ms), window_start=start)

    def _end_of_speech(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """`finalize`, `idle` and `stop`: the utterance ends here, however little silence there was."""
        if self._open is None and self._gate.is_rising:
            self._gate.begin()
            self._begin_utterance(outcomes, now_wall_ms)
        if self._open is not None:
            early = self._early_end()
            settled = self._gate.silence_ms >= self._early_silence_ms()
            # However short: it may be the last word.
            self._close(early if settled else self._buffer.end, outcomes, now_wall_ms, asked_for=True)

    def _close(self, end: int, outcomes: list[Outcome], now_wall_ms: float, *, asked_for: bool = False) -> None:
        utterance = self._open
        assert utterance is not None
        voiced = asked_for or self._voiced_enough()
        speech_end = self._at(self._gate.speech_end_window)
        self._open = None
        self._gate.end()
        utterance.end = min(end, self._buffer.end)
        outcomes.append(
            Outcome(
                SpeechEnded(
                    session_id=self._id, end_ms=speech_end // _SAMPLES_PER_MS, timestamp=iso_timestamp(now_wall_ms)
                )
            )
        )
        if voiced:
            self._closed.append(utterance)

    def _split(self, utterance: _Utterance) -> None:
        """An utterance as long as the model can take is cut where it is quietest; speech goes on in the next one."""
        look_back = self._policy.cut_look_back_ms * _SAMPLES_PER_MS
        at = self._buffer.quietest(self._listened - look_back, self._listened, SAMPLE_RATE // 10)
        utterance.end = at
        self._closed.append(utterance)
        self._open = self._new_utterance(at)
        self._gate.split()

    def _show(self, ticket: Ticket, hypothesis: Hypothesis, outcomes: list[Outcome], now_wall_ms: float) -> None:
        utterance = ticket.utterance
        if self._refused(hypothesis, ticket.request.quality) or self._language_is_a_guess(hypothesis):
            return
        end_ms = ticket.end // _SAMPLES_PER_MS
        utterance.agreement.update(_placed(hypothesis, ticket.begin), end_ms)
        utterance.agreement.force(end_ms - self._policy.max_uncommitted_ms)
        gap = separator(hypothesis.language, self._config.task)
        stable, unstable = _joined(utterance.agreement.stable, gap), _joined(utterance.agreement.unstable, gap)
        text = gap.join(part for part in (stable, unstable) if part)
        if text == utterance.shown or not text:
            return
        words = [*utterance.agreement.stable, *utterance.agreement.unstable]
        event = Partial(
            session_id=self._id,
            text=text,
            new_text=new_part(utterance.shown, text, gap),
            stable=stable,
            unstable=unstable,
            confidence=_mean_probability(words),
            timestamp=iso_timestamp(now_wall_ms),
            utterance=self._finals + len(self._closed) + 1,
            start_ms=utterance.start // _SAMPLES_PER_MS,
            end_ms=end_ms,
            lag_ms=self._lag_ms(ticket.end, now_wall_ms),
        )
        utterance.shown = text
        outcomes.append(Outcome(event))

    def _finish(
        self, utterance: _Utterance, hypothesis: Hypothesis, outcomes: list[Outcome], now_wall_ms: float
    ) -> None:
        self._early = None
        words = _placed(hypothesis, utterance.start)
        if self._refused(hypothesis, Quality.FULL):
            # Better what the guards let through while the utterance grew than nothing.
            words = list(utterance.agreement.stable)
        text = _joined(words, separator(hypothesis.language, self._config.task))
        if not text and not utterance.shown:
            # Nothing was said and nothing was shown: there is nothing to tell.
            self._advance_to(utterance.end, outcomes)
            return
        if self._language is None and hypothesis.language_probability >= self._policy.lock_language_above:
            self._language = hypothesis.language
        self._finals += 1
        self._texts += [text] if text else []
        self._context = CarriedContext(
            language=None if self._config.language else self._language,
            text=text[max(0, len(text) - self._policy.context_chars) :],
            end_sample=utterance.end,
        )
        event = Final(
            session_id=self._id,
            text=text,
            confidence=_mean_probability(words),
            timestamp=iso_timestamp(now_wall_ms),
            utterance=self._finals,
            start_ms=(words[0].start_ms if words else utterance.start // _SAMPLES_PER_MS),
            end_ms=(words[-1].end_ms if words else utterance.end // _SAMPLES_PER_MS),
            language=self._language or hypothesis.language,
            words=[Word(word.text, word.start_ms, word.end_ms, round(word.probability, 3)) for word in words],
            lag_ms=self._lag_ms(utterance.end, now_wall_ms),
        )
        self._advance_to(utterance.end, outcomes, event)

    def _refused(self, hypothesis: Hypothesis, quality: Quality) -> bool:
        reason = guards.reason_to_reject(hypothesis, 1.0, quality)
        if reason:
            self.rejected.append(reason)
        return reason is not None

    def _language_is_a_guess(self, hypothesis: Hypothesis) -> bool:
        """Text in the wrong language is worse than text half a second later."""
        return self._language is None and hypothesis.language_probability < self._policy.lock_language_above

    def _ticket(self, kind: Kind, utterance: _Utterance, begin: int, end: int) -> Ticket:
        quality = Quality.FULL if kind is Kind.FINAL else Quality.DRAFT
        stable_before = [
            word.text for word in utterance.agreement.stable if word.end_ms <= begin // _SAMPLES_PER_MS + 100
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

    def _carried(self, utterance: _Utterance) -> str:
        gap = utterance.start - self._context.end_sample
        return self._context.text if gap <= self._policy.context_gap_ms * _SAMPLES_PER_MS else ""

    def _trim_window(self, utterance: _Utterance) -> None:
        """A partial's window grows only so long: beyond that it starts behind words that are stable."""
        window = self._buffer.end - utterance.window_start
        if window <= self._policy.window_ms * _SAMPLES_PER_MS or not utterance.agreement.stable:
            return
        last_ms = utterance.agreement.stable[-1].end_ms
        utterance.window_start = max(utterance.window_start, (last_ms - 200) * _SAMPLES_PER_MS)

    def _advance_through_silence(self, outcomes: list[Outcome]) -> None:
        settled = self._listened - (self._policy.pre_roll_ms * _SAMPLES_PER_MS + 4 * WINDOW_SAMPLES)
        if settled - self._committed >= self._policy.idle_commit_ms * _SAMPLES_PER_MS:
            self._advance_to(settled, outcomes)

    def _advance_to(self, samples: int, outcomes: list[Outcome], event: Event | None = None) -> None:
        self._committed = max(self._committed, samples)
        while self._frame_ends and self._frame_ends[0][1] <= self._committed:
            self._committed_seq = self._frame_ends.popleft()[0]
        # The voice model may still have to hear the last part of a window.
        self._buffer.drop_before(min(self._committed, self._listened))
        outcomes.append(Outcome(event, Advance(self._committed, self._committed_seq, self._context)))

    def _voiced_enough(self) -> bool:
        return self._gate.speech_windows * WINDOW_MS >= self._policy.min_speech_ms

    def _early_silence_ms(self) -> int:
        return min(self._policy.early_final_ms, self._config.endpointing_ms)

    def _early_end(self) -> int:
        """Where a final ends that a pause ends: fixed by the audio, not by when it is decoded."""
        windows = -(-self._early_silence_ms() // WINDOW_MS)
        return self._at(self._gate.speech_end_window + windows)

    def _at(self, window: int) -> int:
        return self._base + window * WINDOW_SAMPLES

    def _lag_ms(self, position: int, now_wall_ms: float) -> int:
        for _, end, received_ms in self._frame_ends:
            if end >= position:
                return max(0, round(now_wall_ms - received_ms))
        return max(0, round(now_wall_ms - self.received_ms)) if self.received_ms else 0


def _placed(hypothesis: Hypothesis, begin: int) -> list[PlacedWord]:
    offset_ms = begin // _SAMPLES_PER_MS
    return [
        PlacedWord(
            word.text, offset_ms + round(word.start_s * 1000), offset_ms + round(word.end_s * 1000), word.probability
        )
        for word in hypothesis.words
    ]


def _joined(words: Sequence[PlacedWord], gap: str) -> str:
    return join_words([word.text for word in words], gap)


def _mean_probability(words: Sequence[PlacedWord]) -> float:
    return round(sum(word.probability for word in words) / len(words), 3) if words else 0.0
