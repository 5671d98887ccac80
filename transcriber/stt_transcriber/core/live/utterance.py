"""Utterance of a live session: its audio range, its words so far, and the events built from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stt_shared.contracts.events import Final, Notice, Partial, Word, iso_timestamp
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.audio.vad_track import Span
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Memory
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.text.agreement import Agreement, PlacedWord
from stt_transcriber.core.text.join import join_words, new_part

SAMPLES_PER_MS = AUDIO_RATE_HZ // 1000


@dataclass
class Utterance:
    """Utterance from ``start`` to ``end`` (if open, to the end of the audio), in samples.

    ``voice_share``: share of it that held voice, fixed when it ends. ``refused``: its final was rejected.
    ``whole_end``: end of the speech; after ``end`` if only the audio up to ``end`` is decoded first, and the rest next.
    """

    start: int
    agreement: Agreement
    end: int = 0
    whole_end: int = 0
    voice_share: float = 0.0
    refused: bool = False
    shown: list[PlacedWord] = field(default_factory=list)
    decoded_to: int = 0
    window_start: int = 0
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Ticket:
    """Decode in progress: its audio, utterance and purpose."""

    kind: Kind
    begin: int
    end: int
    request: DecodeRequest
    utterance: Utterance = field(repr=False)


@dataclass(frozen=True)
class Place:
    """Fields of an event besides its words: session, utterance number and times."""

    session_id: str
    utterance: int
    now_wall_ms: float
    lag_ms: int


def partial_event(utterance: Utterance, place: Place, end_ms: int) -> Partial | None:
    """Build a partial of the current words; None if they were shown already or there are none."""
    words = [*utterance.agreement.stable, *utterance.agreement.unstable]
    text = join_words(words)
    if text == join_words(utterance.shown) or not text:
        return None
    event = Partial(
        session_id=place.session_id,
        text=text,
        new_text=new_part(utterance.shown, words),
        stable=join_words(utterance.agreement.stable),
        unstable=join_words(utterance.agreement.unstable),
        confidence=_mean_probability(words),
        timestamp=iso_timestamp(place.now_wall_ms),
        utterance=place.utterance,
        start_ms=utterance.start // SAMPLES_PER_MS,
        end_ms=end_ms,
        lag_ms=place.lag_ms,
    )
    utterance.shown = words
    return event


def taken_back(utterance: Utterance, place: Place) -> Partial:
    """Build an empty partial, which withdraws shown text that turned out to hold no words."""
    return Partial(
        session_id=place.session_id,
        text="",
        new_text="",
        stable="",
        unstable="",
        confidence=0.0,
        timestamp=iso_timestamp(place.now_wall_ms),
        utterance=place.utterance,
        start_ms=utterance.start // SAMPLES_PER_MS,
        end_ms=utterance.end // SAMPLES_PER_MS,
        lag_ms=place.lag_ms,
    )


def final_event(utterance: Utterance, place: Place, words: Sequence[PlacedWord], language: str) -> Final:
    """Build the final of an utterance; ``words`` must not be empty."""
    return Final(
        session_id=place.session_id,
        text=join_words(words),
        confidence=_mean_probability(words),
        timestamp=iso_timestamp(place.now_wall_ms),
        utterance=place.utterance,
        start_ms=words[0].start_ms,
        end_ms=words[-1].end_ms,
        language=language,
        words=[Word(word.text, word.start_ms, word.end_ms, round(word.probability, 3)) for word in words],
        lag_ms=place.lag_ms,
        committed_ms=utterance.end // SAMPLES_PER_MS,
    )


def unrecognized_notice(session_id: str, span: Span) -> Notice:
    """Build a notice that tells the client about voice without a text."""
    return Notice(
        session_id=session_id,
        code="speech_not_recognized",
        message="speech was heard here, but no text was found for it",
        from_ms=span[0] // SAMPLES_PER_MS,
        to_ms=span[1] // SAMPLES_PER_MS,
    )


def placed(hypothesis: Hypothesis, begin: int) -> list[PlacedWord]:
    """Return a hypothesis's words at their positions in the session; ``begin``: position of its first sample."""
    offset_ms = begin // SAMPLES_PER_MS
    return [
        PlacedWord(
            word.text,
            offset_ms + round(word.start_s * 1000),
            offset_ms + round(word.end_s * 1000),
            word.probability,
            word.space_before,
        )
        for word in hypothesis.words
    ]


def _mean_probability(words: Sequence[PlacedWord]) -> float:
    return round(sum(word.probability for word in words) / len(words), 3) if words else 0.0
