"""Pure logic of one live session: frames and hypotheses in; events, commits and requests for decodes out.

    frames ─▶ VAD gate ─▶ utterance (open) ─ partial decodes ─▶ stable / unstable text
                             │ silence, finalize, idle, stop, too long
                             ▼
                          closed utterances, first in, first out ─ one full decode each ─▶ final

The text of a final, and whether there is one, depends on the audio, the control frames within it and the state carried
over from earlier utterances, never on when a decode ran or what partials showed. So the next owner, which takes over
from a committed position, publishes the same finals (see checkpoint.py).
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from stt_shared.contracts.events import Done, Event, StageTiming
from stt_shared.contracts.frames import Frame, FrameKind, StreamError
from stt_shared.contracts.session import AUDIO_RATE_HZ, SessionConfig, TakeoverState, VocabularyUpdate
from stt_transcriber.core.audio.vad_stream import VadModel
from stt_transcriber.core.decoding import Hypothesis, Quality, Weights
from stt_transcriber.core.live.commits import Commits
from stt_transcriber.core.live.context import SessionContext
from stt_transcriber.core.live.events import EventBuilder, TextHeader
from stt_transcriber.core.live.final_queue import FinalQueue
from stt_transcriber.core.live.frame_times import FrameTimes
from stt_transcriber.core.live.outcome import Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.segmenter import Segmenter, SpeechEvent, UtteranceClosed
from stt_transcriber.core.live.speculative_final import SpeculativeFinal
from stt_transcriber.core.live.telling import Telling
from stt_transcriber.core.live.tickets import TicketBuilder
from stt_transcriber.core.live.turn import TurnVerdicts
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Ticket
from stt_transcriber.core.live.vocabulary import Vocabularies
from stt_transcriber.core.live.voices import LiveVoices
from stt_transcriber.core.live.wording import Wording
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.speakers.session import Part
from stt_transcriber.core.text import guards
from stt_transcriber.core.text.agreement import PlacedWord, placed_words
from stt_transcriber.core.text.missed_speech import Accepted, Retry


class LiveSession:
    """Live session.

    The caller passes frames to ``feed``, gets the decode that is due from ``due_decode``, starts it with ``begin`` and
    passes its hypothesis to ``apply``, or reports with ``fail`` that there is none. After each of these calls
    ``take_outcomes`` returns what to publish. Times are wall clock in milliseconds.
    """

    def __init__(
        self,
        session_id: str,
        config: SessionConfig,
        policy: LivePolicy,
        model: VadModel,
        *,
        committed_samples: int = 0,
        committed_seq: int = 0,
        finals: int = 0,
        context: TakeoverState | None = None,
        telling: Telling | None = None,
        showing: bool = False,
    ) -> None:
        """Start a session or, with the optional arguments, continue it after a takeover.

        They hold what was stored with the last commit; ``showing``: a partial is shown that no final has replaced. The
        next owner must receive the frames after ``committed_seq``. ``telling``: who tells the speakers of finals; None
        for a channel, whose finals have no numbers yet.
        """
        stored = context or TakeoverState()
        self._config = config
        self._policy = policy
        self._speculative = SpeculativeFinal()
        self._verdicts = TurnVerdicts()
        self._segmenter = Segmenter(
            policy,
            config,
            model,
            self._speculative,
            self._verdicts,
            committed_samples=committed_samples,
            committed_seq=committed_seq,
            checkpoint=stored.hearing,
        )
        self._buffer, self._track = self._segmenter.buffer, self._segmenter.track
        self._context = SessionContext(policy, config.task, stored, self._segmenter.first_position)
        self._closed = FinalQueue(self._buffer, self._track, self._segmenter.settled, policy.margin_ms)
        # At the earliest, speech has its first draft then.
        settles = (policy.pre_roll_ms + policy.first_partial_ms) * SAMPLES_PER_MS
        self._vocabularies = Vocabularies(config.vocabulary, settles, stored.vocabularies, fillers=config.fillers)
        self._wording = Wording(config, self._vocabularies)
        self._voices = LiveVoices(self._track) if config.speakers else None
        self._tickets = TicketBuilder(
            config, policy, self._context, self._buffer, self._track, self._vocabularies, self._voices
        )
        self._in_flight: Ticket | None = None
        self._frames = FrameTimes(committed_seq)
        self._held_back: deque[Frame] = deque()  # frames after an undecided pause
        self._events = EventBuilder(session_id)
        self._outcomes: list[Outcome] = []
        self._commits = Commits(
            committed_samples, self._segmenter, self._frames, self._context, self._vocabularies, self._voices, telling
        )
        self._finals = finals
        self._texts: list[str] = []
        self._showing = showing
        self._has_read = False
        self._stopping = False
        self._stop_error: StreamError | None = None
        self.telling = telling
        self.speculates = True  # decode the final while the pause may still turn out not to be the end
        self.rejected: list[str] = []  # reasons of the guards, for the metrics

    @property
    def finished(self) -> bool:
        """Whether `stop` was read and every utterance before it is settled."""
        return self._stopping and not self.speaking

    @property
    def stop_error(self) -> StreamError | None:
        """Reason why the audio ended if an earlier stage failed; None otherwise."""
        return self._stop_error

    @property
    def speaking(self) -> bool:
        """Whether an utterance is open or waits for its final."""
        return self._segmenter.open is not None or self._closed.head is not None

    @property
    def earliest_end(self) -> float:
        """Position before which no utterance ends that has no final yet; infinite if none follows."""
        if self._closed.head is not None:
            return self._closed.head.whole_end
        return math.inf if self.finished else self._segmenter.earliest_end

    @property
    def has_just_begun(self) -> bool:
        """Whether the open utterance has hardly a word yet."""
        return self._segmenter.has_just_begun

    def feed(self, frame: Frame, now_wall_ms: float) -> None:
        """Process the next frame of the PCM log."""
        self._events.now_wall_ms = now_wall_ms
        if self.telling and not self._has_read and (revision := self.telling.revision(self._events.timestamp)):
            # The previous owner died before it told what its last final has shown.
            self._outcomes.append(Outcome(revision, self._commits.again()))
        self._has_read = True
        if self._held_back or (frame.kind is not FrameKind.AUDIO and self._segmenter.is_undecided):
            self._held_back.append(frame)
        else:
            self._process(frame)
        self._settle_decoded()

    def due_decode(self) -> Kind | None:
        """Return the decode that is due; None if there is none or a decode is in progress."""
        if self._in_flight is not None:
            return None
        if self._closed.head is not None:
            return Kind.FINAL
        return self._segmenter.should_decode(speculates=self.speculates)

    def begin(self) -> Ticket | None:
        """Start the due decode, with all audio received so far, when the model is free for it.

        None: nothing is due any more.
        """
        kind = self.due_decode()
        if kind is None:
            return None
        head, utterance = self._closed.head, self._segmenter.open
        if head is not None:
            self._in_flight = self._tickets.final(head, head.end)
        elif utterance is not None and kind is Kind.TURN:
            self._in_flight = self._tickets.turn(utterance, self._segmenter.pause_end)
        elif utterance is not None and kind is Kind.FINAL:
            self._in_flight = self._tickets.final(utterance, self._segmenter.pause_end)
        elif utterance is not None:
            self._in_flight = self._tickets.draft(kind, utterance)
        return self._in_flight

    def apply(self, hypothesis: Hypothesis, now_wall_ms: float) -> None:
        """Apply the hypothesis of the decode in progress."""
        self._events.now_wall_ms = now_wall_ms
        ticket = self._end_decode()
        is_open = ticket.utterance is self._segmenter.open
        if self._voices and hypothesis.voices is not None:
            self._voices.keep(ticket.voice_windows, hypothesis.voices)
        if ticket.kind is not Kind.FINAL:
            if ticket.decode.language is None:
                ticket.utterance.draft_language.take(hypothesis)
            if is_open:
                self._update_text(ticket, hypothesis)
        elif ticket.utterance is self._closed.head and ticket.end == ticket.utterance.end:
            self._apply_final(hypothesis, ticket.decode.quality)
        else:
            # A speculative final: it counts if the pause turns out to be the end, and is a good draft in any case.
            self._speculative.keep(ticket.begin, ticket.end, hypothesis)
            if is_open and self._config.interim_results:
                self._update_text(ticket, hypothesis)
            self._resume()
        self._settle_decoded()

    def judge(self, probability: float | None, now_wall_ms: float) -> None:
        """Apply the turn model's answer, the probability that the speaker has finished; None: it failed."""
        self._events.now_wall_ms = now_wall_ms
        ticket = self._end_decode()
        judged = (ticket.utterance.start, ticket.end)
        self._verdicts.keep(judged, probability)
        is_now = ticket.utterance is self._segmenter.open and ticket.end == self._segmenter.pause_end
        if is_now and probability is not None and probability >= self._policy.turn.told_above:
            self._outcomes.append(Outcome(self._events.turn_ended(self._segmenter.speech_end, probability)))
        self._resume()
        self._settle_decoded()

    def fail(self, now_wall_ms: float) -> None:
        """Handle the failure of the decode: a partial is skipped, a final consists of the words already stable."""
        if self._in_flight is not None and self._in_flight.kind is Kind.TURN:
            self.judge(None, now_wall_ms)
            return
        self._events.now_wall_ms = now_wall_ms
        ticket = self._end_decode()
        if ticket.kind is not Kind.FINAL:
            return
        if ticket.utterance is self._closed.head:
            stable = ticket.utterance.agreement.stable
            part = None if stable else self._closed.give_up()
            self._settle(stable, self._usual_language, self._context.spoken, part)
        else:
            self._speculative.fail(ticket.begin, ticket.end)
            self._resume()
        self._settle_decoded()

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes since the last call, in order."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def done(self, timings_ms: dict[str, StageTiming]) -> Done:
        """Build the answer to `stop`."""
        return self._events.done(self._texts, self._buffer.end, self._finals, timings_ms)

    def _end_decode(self) -> Ticket:
        ticket, self._in_flight = self._in_flight, None
        assert ticket is not None
        return ticket

    def _process(self, frame: Frame) -> None:
        if frame.kind is FrameKind.AUDIO:
            samples = np.frombuffer(frame.data, np.int16)
            # After a takeover, the first frames may begin, and even end, before the position where processing resumes.
            fresh = samples[max(0, self._buffer.end - frame.meta.start_sample) :]
            if len(samples) and not len(fresh):
                if (advance := self._commits.skip(frame.seq)) is not None:
                    self._outcomes.append(Outcome(None, advance))
                return
            events = self._segmenter.add(fresh, frame.seq)
        elif frame.kind is FrameKind.CONFIGURE:
            events = self._configured(frame)
        else:
            events = self._segmenter.end_speech(stalled=frame.kind is FrameKind.IDLE)
        if frame.kind is FrameKind.STOP:
            self._stopping = True
            self._stop_error = frame.meta.error
        else:
            self._frames.add(frame.seq, self._buffer.end, frame.meta.received_ms)
        self._publish_speech(events)
        if frame.kind is FrameKind.FINALIZE:
            # Before anything that this frame's speech is settled with: a takeover repeats it rather than lose it.
            self._outcomes.append(Outcome(self._events.finalized(frame.meta.start_sample)))
        if not self.speaking:
            self._commit_silence()

    def _configured(self, frame: Frame) -> list[SpeechEvent]:
        """Put the vocabulary of a frame in force from its position on, and tell the client; no speech ends."""
        at = frame.meta.start_sample
        vocabulary = self._vocabularies.change(at, frame.meta.vocabulary or VocabularyUpdate())
        if vocabulary is not None:
            self._outcomes.append(Outcome(self._events.configured(at, vocabulary)))
        return []

    def _resume(self) -> None:
        """Continue after a pause that may be decided, with the frames that arrived after it."""
        self._publish_speech(self._segmenter.advance())
        while self._held_back and not self._segmenter.is_undecided:
            self._process(self._held_back.popleft())

    def _publish_speech(self, events: Sequence[SpeechEvent]) -> None:
        for event in events:
            if isinstance(event, UtteranceClosed):
                self._closed.add(event)
            else:
                self._outcomes.append(Outcome(self._events.speech(event)))

    def _update_text(self, ticket: Ticket, hypothesis: Hypothesis) -> None:
        """Publish a partial of the open utterance, unless the hypothesis is rejected or brings nothing new."""
        utterance = ticket.utterance
        voice_share = self._track.share(ticket.begin, ticket.end)
        just_begun = ticket.kind is not Kind.FINAL and self.has_just_begun
        request, samples = ticket.decode, ticket.end - ticket.begin
        if self._is_rejected(hypothesis, voice_share, request.quality, samples, request.prompt, just_begun=just_begun):
            return
        if self._context.language_is_a_guess(hypothesis):
            return
        end_ms = ticket.end // SAMPLES_PER_MS
        utterance.agreement.update(placed_words(hypothesis, ticket.begin), end_ms, hypothesis.safe_words)
        utterance.agreement.force(end_ms - self._policy.max_uncommitted_ms)
        utterance.shown_language = utterance.shown_language or hypothesis.language
        words, stable = self._wording.of_partial(utterance, ticket.end)
        partial = self._events.partial(utterance, self._header(ticket.end), words, stable, end_ms)
        if partial is not None:
            utterance.published = words
            self._showing = True
            self._outcomes.append(Outcome(partial))

    def _settle_decoded(self) -> None:
        """Settle the utterances whose finals were decoded before they ended."""
        while (head := self._closed.head) and (hypothesis := self._speculative.hypothesis_for(head)):
            self._apply_final(hypothesis, Quality.FULL)

    def _apply_final(self, hypothesis: Hypothesis, quality: Quality) -> None:
        """Apply the decode of the first closed utterance up to its end."""
        utterance = self._closed.head
        assert utterance is not None
        samples, told = utterance.end - utterance.start, self._tickets.told(utterance)
        rejected = self._is_rejected(hypothesis, utterance.voice_share, quality, samples, told)
        words = [] if rejected else placed_words(hypothesis, utterance.start)
        loops = guards.is_loop(hypothesis)
        part = self._closed.decide(words, self._config.task, truncated=hypothesis.truncated, loops=loops)
        if isinstance(part, Retry):
            self._closed.shorten(part.end)
            return
        if rejected and not utterance.refused:
            # Another decode of the same audio may still be accepted. So might the text of the partials, but it
            # depends on how busy the machine was.
            utterance.refused = True
            return
        self._settle(words[: part.count], hypothesis.language, hypothesis.spoken, part)

    @property
    def _usual_language(self) -> str:
        """Language that was set or, so far, spoken; '' if neither is known."""
        return self._config.language or next(iter(self._context.spoken), "")

    def _settle(self, words: Sequence[PlacedWord], language: str, spoken: Weights, part: Accepted | None) -> None:
        """Settle the first closed utterance with these words, and commit its audio."""
        decoded_to = self._closed.head.end if self._closed.head else 0
        utterance = self._closed.settle(part.until if part else None)
        # What follows goes on from what the model wrote itself.
        decoded, words = self._wording.kept(words), self._wording.of_final(utterance, language, words)
        self._speculative.forget()
        for span in part.unrecognized if part else ():
            self._outcomes.append(Outcome(self._events.unrecognized(span), None, utterance.whole_end))
        header = self._header(utterance.end)
        was_showing, self._showing = self._showing, False
        if not words:
            # Without words there is no final: the numbers of finals must not depend on which partials were shown.
            retraction = self._events.retracted_partial(utterance, header) if was_showing else None
            self._commit(utterance.end, retraction)
            return
        self._finals += 1
        final = self._events.final(utterance, header, words, language)
        parts = self._voices.parts_of(words, utterance.start, decoded_to) if self._voices else ()
        if self.telling:
            final = self.telling.told(final, parts)
        self._texts.append(final.text)
        is_complete = part is not None and not part.unrecognized
        self._context.update(decoded, utterance, language, spoken, is_complete=is_complete)
        self._commit(utterance.end, final, utterance.whole_end, parts)
        if self.telling and (revision := self.telling.revision(final.timestamp)):
            self._commit(utterance.end, revision)

    def _header(self, position: int) -> TextHeader:
        """Return the header of a text about the audio up to ``position``."""
        return TextHeader(self._finals + 1, self._frames.lag_ms(position, self._events.now_wall_ms))

    def _is_rejected(
        self, hypothesis: Hypothesis, voice_share: float, quality: Quality, samples: int, prompt: str, **more: bool
    ) -> bool:
        audio_s = samples / AUDIO_RATE_HZ
        reason = guards.reason_to_reject(hypothesis, voice_share, quality, audio_s=audio_s, prompt=prompt, **more)
        if reason:
            self.rejected.append(reason)
        return reason is not None

    def _commit_silence(self) -> None:
        """Commit the audio before the last second or so of silence."""
        settled = self._segmenter.silent_until
        if settled - self._commits.samples >= self._policy.idle_commit_ms * SAMPLES_PER_MS:
            self._commit(settled)

    def _commit(
        self, samples: int, event: Event | None = None, utterance_end: int | None = None, parts: Sequence[Part] = ()
    ) -> None:
        advance = self._commits.to(samples, with_voices=event is not None)
        self._outcomes.append(Outcome(event, advance, utterance_end, parts))
