"""Events of a live session as its client receives them, built from what happens in the session."""

from collections.abc import Sequence
from dataclasses import dataclass

from stt_shared.contracts import events as wire
from stt_shared.contracts.session import Vocabulary
from stt_shared.contracts.text import join_texts
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.live.segmenter import SpeechBegan, SpeechEnded
from stt_transcriber.core.live.utterance import SAMPLES_PER_MS, Utterance
from stt_transcriber.core.text.agreement import PlacedWord
from stt_transcriber.core.text.join import join_words, new_part


@dataclass(frozen=True)
class TextHeader:
    """Fields of a partial or final besides its words. ``number``: of the utterance."""

    number: int
    lag_ms: int


class EventBuilder:
    """Builder of one session's events. ``now_wall_ms``: the time that they get."""

    def __init__(self, session_id: str) -> None:
        self._id = session_id
        self.now_wall_ms = 0.0

    def speech(self, event: SpeechBegan | SpeechEnded) -> wire.SpeechStarted | wire.SpeechEnded:
        """Build the event for the start or end of speech."""
        at_ms = event.position // SAMPLES_PER_MS
        if isinstance(event, SpeechBegan):
            return wire.SpeechStarted(session_id=self._id, start_ms=at_ms, timestamp=self.timestamp)
        return wire.SpeechEnded(session_id=self._id, end_ms=at_ms, timestamp=self.timestamp)

    def turn_ended(self, position: int, probability: float) -> wire.TurnEnded:
        """Build the event for a speaker who has probably finished at ``position``."""
        end_ms = position // SAMPLES_PER_MS
        return wire.TurnEnded(
            session_id=self._id, end_ms=end_ms, probability=round(probability, 3), timestamp=self.timestamp
        )

    def partial(
        self, utterance: Utterance, header: TextHeader, words: Sequence[PlacedWord], stable: int, end_ms: int
    ) -> wire.Partial | None:
        """Build a partial of ``words``, the first ``stable`` of them stable.

        None if they were published already or there are none.
        """
        text = join_words(words)
        if text == join_words(utterance.published) or not text:
            return None
        return wire.Partial(
            session_id=self._id,
            text=text,
            new_text=new_part(utterance.published, words),
            stable=join_words(words[:stable]),
            unstable=join_words(words[stable:]),
            confidence=_mean_probability(words),
            timestamp=self.timestamp,
            utterance=header.number,
            start_ms=utterance.start // SAMPLES_PER_MS,
            end_ms=end_ms,
            lag_ms=header.lag_ms,
        )

    def retracted_partial(self, utterance: Utterance, header: TextHeader) -> wire.Partial:
        """Build an empty partial, which withdraws published text that turned out to hold no words."""
        return wire.Partial(
            session_id=self._id,
            text="",
            new_text="",
            stable="",
            unstable="",
            confidence=0.0,
            timestamp=self.timestamp,
            utterance=header.number,
            start_ms=utterance.start // SAMPLES_PER_MS,
            end_ms=utterance.end // SAMPLES_PER_MS,
            lag_ms=header.lag_ms,
        )

    def final(self, utterance: Utterance, header: TextHeader, words: Sequence[PlacedWord], language: str) -> wire.Final:
        """Build the final of an utterance; ``words`` must not be empty."""
        return wire.Final(
            session_id=self._id,
            text=join_words(words),
            confidence=_mean_probability(words),
            timestamp=self.timestamp,
            utterance=header.number,
            start_ms=words[0].start_ms,
            end_ms=words[-1].end_ms,
            language=language,
            words=[wire.Word(word.text, word.start_ms, word.end_ms, round(word.probability, 3)) for word in words],
            lag_ms=header.lag_ms,
            committed_ms=utterance.end // SAMPLES_PER_MS,
        )

    def unrecognized(self, span: Span) -> wire.Gap:
        """Build the event for voice without a text."""
        return wire.Gap(
            session_id=self._id,
            from_ms=span[0] // SAMPLES_PER_MS,
            to_ms=span[1] // SAMPLES_PER_MS,
            cause=wire.SPEECH_NOT_RECOGNIZED,
        )

    def configured(self, position: int, vocabulary: Vocabulary) -> wire.Configured:
        """Build the answer to `configure`."""
        return wire.Configured(
            session_id=self._id,
            from_ms=position // SAMPLES_PER_MS,
            keyterms=list(vocabulary.keyterms),
            replacements=vocabulary.replacements,
            timestamp=self.timestamp,
        )

    def finalized(self, position: int) -> wire.Finalized:
        """Build the answer to `finalize`."""
        return wire.Finalized(session_id=self._id, at_ms=position // SAMPLES_PER_MS, timestamp=self.timestamp)

    def done(
        self, texts: Sequence[str], samples: int, finals: int, timings_ms: dict[str, wire.StageTiming]
    ) -> wire.Done:
        """Build the answer to `stop`. ``texts``: of the finals; ``samples``: length of the audio."""
        return wire.Done(
            session_id=self._id,
            text=join_texts(texts),
            duration_ms=samples // SAMPLES_PER_MS,
            finals=finals,
            timings_ms=timings_ms,
        )

    @property
    def timestamp(self) -> str:
        """The time that events get now."""
        return wire.iso_timestamp(self.now_wall_ms)


def _mean_probability(words: Sequence[PlacedWord]) -> float:
    return round(sum(word.probability for word in words) / len(words), 3) if words else 0.0
