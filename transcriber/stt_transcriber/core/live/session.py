"""Pure logic of one live session: frames and hypotheses in; events, commits and requests for decodes out.

    frames ─▶ VAD gate ─▶ utterance (open) ─ partial decodes ─▶ stable / unstable text
                             │ silence, finalize, idle, stop, too long
                             ▼
                          closed utterances, first in, first out ─ one full decode each ─▶ final

The text of a final, and whether there is one, depends on the audio, the control frames within it and the state carried
over from earlier utterances, never on when a decode ran or what partials showed. So the next owner, which takes over
from a committed position, publishes the same finals (see checkpoint.py).
"""

from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np

from stt_shared.contracts.events import Done, Event, StageTiming
from stt_shared.contracts.frames import Frame, FrameKind, StreamError
from stt_shared.contracts.session import SessionConfig, TakeoverState
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality
from stt_transcriber.core.language import NO_VOICE, LanguageChoice, SessionLanguage, Voice, voice_in
from stt_transcriber.core.live.frame_times import FrameTimes
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.segmenter import Segmenter
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.utterance import (
    SAMPLES_PER_MS,
    Place,
    Ticket,
    Utterance,
    final_event,
    partial_event,
    placed,
    taken_back,
    unrecognized_notice,
)
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text import guards
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.join import join_words
from stt_transcriber.core.text.missed_speech import Accepted, Retry

_SKIPPED_FRAMES = 10
"""Number of skipped frames of already settled audio after which the log may drop them."""


class LiveSession:
    """Live session.

    The caller passes frames to ``feed``, gets the decode that is due from ``due_decode``, starts it with ``begin`` and
    passes its hypothesis to ``apply``.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        policy: LivePolicy,
        voice: VadModel,
        *,
        committed_samples: int = 0,
        committed_seq: int = 0,
        finals: int = 0,
        context: TakeoverState | None = None,
        showing: bool = False,
    ) -> None:
        """Start a session or, with the optional arguments, continue it after a takeover.

        They hold what was stored with the last commit; ``showing``: a partial is shown that no final has replaced. The
        next owner must receive the frames after ``committed_seq``.
        """
        self._id = session_id
        self._config = config
        self._policy = policy
        self._context = context or TakeoverState()
        self._audio = Segmenter(
            session_id,
            policy,
            config.endpointing_ms,
            voice,
            committed_samples=committed_samples,
            committed_seq=committed_seq,
            heard=self._context.hearing,
        )
        self._early = SpeculativeFinal()
        self._in_hand: Ticket | None = None
        self._waiting: deque[Frame] = deque()  # frames after an undecided pause
        self._frames = FrameTimes(committed_seq)
        self._committed = committed_samples
        self._finals = finals
        self._showing = showing  # a partial with text is shown
        self._language = SessionLanguage(config.language, self._context)
        self._texts: list[str] = []
        self._stopping = False
        self._stop_error: StreamError | None = None
        self.speculates = True  # decode the final while the pause may still turn out not to be the end
        self.rejected: list[str] = []  # reasons of the guards, for the metrics

    @property
    def finished(self) -> bool:
        """Whether `stop` was read and every utterance before it is settled."""
        return self._stopping and not self._audio.closed and self._audio.open is None

    @property
    def stop_error(self) -> StreamError | None:
        """Reason why the audio ended if an earlier stage failed; None otherwise."""
        return self._stop_error

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open or waits for its final."""
        return self._audio.speaking

    @property
    def has_just_begun(self) -> bool:
        """Whether the open utterance has hardly a word yet."""
        spoken = self._audio.buffer.end - self._audio.vad.speech_start
        return self._audio.open is not None and spoken < self._policy.young_ms * SAMPLES_PER_MS

    def feed(self, frame: Frame, now_wall_ms: float) -> list[Outcome]:
        """Process the next frame of the PCM log."""
        outcomes: list[Outcome] = []
        if self._waiting or (frame.kind is not FrameKind.AUDIO and self._is_undecided()):
            self._waiting.append(frame)
        else:
            self._take(frame, outcomes, now_wall_ms)
        return outcomes

    def due_decode(self) -> Kind | None:
        """Return the decode that is due; None if there is none or a decode is in progress."""
        if self._in_hand is not None:
            return None
        if self._audio.closed:
            return Kind.FINAL
        utterance = self._audio.open
        if utterance is None or self._audio.passes_over or not self._audio.endpoint.voiced_enough():
            return None
        if self._audio.endpoint.may_be_over() and (self.speculates or self._policy.sentence_endpointing_ms):
            # The pause may be the end: decode the final early, so that it is ready when the pause is long enough.
            return None if self._early.was_tried(self._audio.endpoint.early_end) else Kind.FINAL
        if not self._config.interim_results:
            return None
        if utterance.decoded_to == 0:
            enough = self._policy.first_partial_ms * SAMPLES_PER_MS
            return Kind.FIRST if self._audio.buffer.end - self._audio.vad.speech_start >= enough else None
        return Kind.PARTIAL if self._audio.vad.speech_end > utterance.decoded_to else None

    def begin(self) -> Ticket | None:
        """Start the due decode, with all audio received so far, when the model is free for it.

        None: nothing is due any more.
        """
        kind = self.due_decode()
        if kind is None:
            return None
        if self._audio.closed:
            utterance = self._audio.closed[0]
            ticket = self._ticket(Kind.FINAL, utterance, utterance.start, utterance.end)
        else:
            assert self._audio.open is not None
            utterance = self._audio.open
            if kind is Kind.FINAL:
                ticket = self._ticket(kind, utterance, utterance.start, self._audio.endpoint.early_end)
            else:
                self._trim_window(utterance)
                ticket = self._ticket(kind, utterance, utterance.window_start, self._audio.buffer.end)
                utterance.decoded_to = self._audio.buffer.end
        self._in_hand = ticket
        return ticket

    def has_final_ready(self) -> bool:
        """Check whether the next final was already decoded, so that ``settle`` returns it at once."""
        if not self._audio.closed:
            return False
        head = self._audio.closed[0]
        return not head.refused and self._early.is_of(head.start, head.end)

    def settle(self, now_wall_ms: float) -> list[Outcome]:
        """Apply the final that was decoded early; see ``has_final_ready``."""
        hypothesis = self._early.hypothesis
        assert hypothesis is not None
        outcomes: list[Outcome] = []
        self._judge(hypothesis, Quality.FULL, outcomes, now_wall_ms)
        return outcomes

    def apply(self, ticket: Ticket, hypothesis: Hypothesis, now_wall_ms: float) -> list[Outcome]:
        """Apply the hypothesis of a ticket from ``begin``."""
        self._in_hand = None
        outcomes: list[Outcome] = []
        if ticket.kind is not Kind.FINAL:
            if ticket.utterance is self._audio.open:
                self._show(ticket, hypothesis, outcomes, now_wall_ms)
        elif (
            self._audio.closed and ticket.utterance is self._audio.closed[0] and ticket.end == self._audio.closed[0].end
        ):
            self._judge(hypothesis, ticket.request.quality, outcomes, now_wall_ms)
        else:
            # A speculative final: it counts if the pause turns out to be the end, and is a good draft in any case.
            self._early.queue_for_store(ticket.begin, ticket.end, hypothesis)
            if ticket.utterance is self._audio.open and self._config.interim_results:
                self._show(ticket, hypothesis, outcomes, now_wall_ms)
            self._go_on(outcomes, now_wall_ms)
        return outcomes

    def fail(self, ticket: Ticket, now_wall_ms: float) -> list[Outcome]:
        """Handle a failed decode: a partial is skipped, a final consists of the words that are already stable."""
        self._in_hand = None
        outcomes: list[Outcome] = []
        if ticket.kind is Kind.FINAL and self._audio.closed and ticket.utterance is self._audio.closed[0]:
            stable = self._audio.closed[0].agreement.stable
            part = None if stable else self._audio.give_up()
            self._finish(stable, self._language.decided or "", outcomes, now_wall_ms, part)
        elif ticket.kind is Kind.FINAL:
            self._early.failed(ticket.end)
            self._go_on(outcomes, now_wall_ms)
        return outcomes

    def done(self, timings_ms: dict[str, StageTiming]) -> Done:
        """Build the answer to `stop`."""
        return Done(
            session_id=self._id,
            text=join_texts(self._texts),
            duration_ms=self._audio.buffer.end // SAMPLES_PER_MS,
            finals=self._finals,
            timings_ms=timings_ms,
        )

    def _take(self, frame: Frame, outcomes: list[Outcome], now_wall_ms: float) -> None:
        if frame.kind is FrameKind.AUDIO:
            samples = np.frombuffer(frame.data, np.int16)
            # After a takeover, the first frames may begin, and even end, before the position where processing resumes.
            fresh = samples[max(0, self._audio.buffer.end - frame.meta.start_sample) :]
            if len(samples) and not len(fresh):
                self._skip(frame.seq, outcomes)
                return
            self._audio.hear(fresh, frame.seq)
            self._frames.add(frame.seq, self._audio.buffer.end, frame.meta.received_ms)
            self._follow(outcomes, now_wall_ms)
        else:
            self._audio.end_of_speech(outcomes, now_wall_ms, stalled=frame.kind is FrameKind.IDLE)
            if frame.kind is FrameKind.STOP:
                self._stopping = True
                self._stop_error = frame.meta.error
            else:
                self._frames.add(frame.seq, self._audio.buffer.end, frame.meta.received_ms)
        if not self.speaking:
            self._advance_through_silence(outcomes)

    def _skip(self, seq: int, outcomes: list[Outcome]) -> None:
        """Skip a frame of audio that was already settled.

        A client sends it if it sends its recording again after everything was lost; the log must not fill with it.
        """
        self._audio.skip(seq)
        if seq - self._frames.settled_seq >= _SKIPPED_FRAMES:
            self._frames.settle(seq)
            outcomes.append(Outcome(None, Advance(self._committed, seq, self._context)))

    def _go_on(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """Continue after a pause that may be decided, with the frames that arrived after it."""
        self._follow(outcomes, now_wall_ms)
        while self._waiting and not self._is_undecided():
            self._take(self._waiting.popleft(), outcomes, now_wall_ms)

    def _follow(self, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """Move the gate through the available windows, or up to a pause that waits for its text."""
        while not self._is_undecided() and self._audio.step(self._early, outcomes, now_wall_ms):
            pass

    def _is_undecided(self) -> bool:
        """Check whether a sentence may end here whose text is not decoded yet.

        Until then the gate waits: if it continued, the ranges of finals would depend on the speed of the model.
        """
        return self._audio.is_sentence_pause and not self._early.was_tried(self._audio.endpoint.early_end)

    def _show(self, ticket: Ticket, hypothesis: Hypothesis, outcomes: list[Outcome], now_wall_ms: float) -> None:
        utterance = ticket.utterance
        voice_share = self._audio.vad.track.share(ticket.begin, ticket.end)
        just_begun = ticket.kind is not Kind.FINAL and self.has_just_begun
        if self._refused(hypothesis, voice_share, ticket.request.quality, just_begun=just_begun):
            return
        if self._language_is_a_guess(hypothesis):
            return
        end_ms = ticket.end // SAMPLES_PER_MS
        utterance.agreement.update(placed(hypothesis, ticket.begin), end_ms, hypothesis.safe_words)
        utterance.agreement.force(end_ms - self._policy.max_uncommitted_ms)
        place = self._place(ticket.end, now_wall_ms)
        event = partial_event(utterance, place, end_ms)
        if event is not None:
            self._showing = True
            outcomes.append(Outcome(event))

    def _judge(self, hypothesis: Hypothesis, quality: Quality, outcomes: list[Outcome], now_wall_ms: float) -> None:
        """Apply the decode of the first closed utterance up to its end."""
        utterance = self._audio.closed[0]
        refused = self._refused(hypothesis, utterance.voice_share, quality)
        words = [] if refused else placed(hypothesis, utterance.start)
        part = self._audio.settled_by(words, self._config.task, truncated=hypothesis.truncated)
        if isinstance(part, Retry):
            self._audio.shorten(part.end)
            return
        if refused and quality is Quality.FULL:
            # A greedy decode of the same audio may still be accepted. So might the text of the partials, but it
            # depends on how busy the machine was.
            utterance.refused = True
            return
        language = hypothesis.language
        if words:
            voice = self._voice(utterance.start, utterance.end)
            language = self._language.final_language(voice, language, hypothesis.language_probability)
        self._finish(words[: part.count], language, outcomes, now_wall_ms, part)

    def _finish(
        self,
        words: Sequence[PlacedWord],
        language: str,
        outcomes: list[Outcome],
        now_wall_ms: float,
        part: Accepted | None = None,
    ) -> None:
        utterance = self._audio.settle(part.until if part else None)
        self._early.forget()
        outcomes += [Outcome(unrecognized_notice(self._id, span)) for span in (part.unrecognized if part else ())]
        place = self._place(utterance.end, now_wall_ms)
        showing, self._showing = self._showing, False
        if not words:
            # Without words there is no final: the numbers of finals must not depend on which partials were shown.
            self._advance_to(utterance.end, outcomes, taken_back(utterance, place) if showing else None)
            return
        self._finals += 1
        event = final_event(utterance, place, words, language)
        self._texts.append(event.text)
        self._context = TakeoverState(
            language=None if self._config.language else self._language.decided,
            text=event.text[max(0, len(event.text) - self._policy.context_chars) :],
            end_sample=utterance.end,
            voice=self._language.evidence.samples.tobytes(),
            voiced_ms=self._language.evidence.voiced_ms,
        )
        self._advance_to(utterance.end, outcomes, event)

    def _place(self, position: int, now_wall_ms: float) -> Place:
        return Place(self._id, self._finals + 1, now_wall_ms, self._frames.lag_ms(position, now_wall_ms))

    def _refused(
        self, hypothesis: Hypothesis, voice_share: float, quality: Quality, *, just_begun: bool = False
    ) -> bool:
        reason = guards.reason_to_reject(hypothesis, voice_share, quality, just_begun=just_begun)
        if reason:
            self.rejected.append(reason)
        return reason is not None

    def _language_is_a_guess(self, hypothesis: Hypothesis) -> bool:
        """Check whether the language is too uncertain to show the text.

        Text in the wrong language is worse than text half a second later.
        """
        return self._language.decided is None and hypothesis.language_probability < self._policy.show_language_above

    def _ticket(self, kind: Kind, utterance: Utterance, begin: int, end: int) -> Ticket:
        quality = Quality.FULL if kind is Kind.FINAL and not utterance.refused else Quality.DRAFT
        stable_before = [word for word in utterance.agreement.stable if word.end_ms <= begin // SAMPLES_PER_MS + 100]
        before = join_words(stable_before) if kind is not Kind.FINAL else ""
        carried = "" if utterance.refused else self._carried(utterance)  # it may have misled the model
        prompt = join_texts((self._config.prompt, carried, before))
        choice = LanguageChoice(self._language.decided)
        if kind is Kind.FINAL:
            choice = self._language.choose(self._voice(begin, end))
        request = DecodeRequest(
            self._audio.buffer.as_float(begin, end),
            choice.language,
            self._config.task,
            prompt,
            quality,
            begin,
            utterance.memory,
            choice.language_samples,
            choice.expected_language,
        )
        return Ticket(kind, begin, end, request, utterance)

    def _voice(self, begin: int, end: int) -> Voice:
        """Return the voice from which the language is detected; empty if the client set the language."""
        return NO_VOICE if self._config.language else voice_in(self._audio.buffer, self._audio.vad.track, begin, end)

    def _carried(self, utterance: Utterance) -> str:
        gap = utterance.start - self._context.end_sample
        return self._context.text if gap <= self._policy.context_gap_ms * SAMPLES_PER_MS else ""

    def _trim_window(self, utterance: Utterance) -> None:
        """Limit a partial's window: beyond its maximum, it starts just before the end of the stable words."""
        window = self._audio.buffer.end - utterance.window_start
        if window <= self._policy.window_ms * SAMPLES_PER_MS or not utterance.agreement.stable:
            return
        last_ms = utterance.agreement.stable[-1].end_ms
        utterance.window_start = max(utterance.window_start, (last_ms - 200) * SAMPLES_PER_MS)

    def _advance_through_silence(self, outcomes: list[Outcome]) -> None:
        settled = self._audio.vad.position - (self._policy.pre_roll_ms * SAMPLES_PER_MS + 4 * WINDOW_SAMPLES)
        if settled - self._committed >= self._policy.idle_commit_ms * SAMPLES_PER_MS:
            self._advance_to(settled, outcomes)

    def _advance_to(self, samples: int, outcomes: list[Outcome], event: Event | None = None) -> None:
        self._committed = max(self._committed, samples)
        seq, hearing = self._audio.commit(self._committed)
        self._frames.settle(seq)
        context = msgspec.structs.replace(self._context, hearing=hearing)
        outcomes.append(Outcome(event, Advance(self._committed, self._frames.settled_seq, context)))
