"""Division of a sequence of words into readable segments: sentences or clauses, never longer than a few lines."""

from collections.abc import Sequence

from stt_shared.contracts.jobs import JobSegment, JobWord
from stt_shared.contracts.text import CLAUSE_MARKS, SENTENCE_MARKS
from stt_transcriber.core.decoding import TimedWord
from stt_transcriber.core.text.join import join_words

SENTENCE_END = tuple(SENTENCE_MARKS)
CLAUSE_END = tuple(CLAUSE_MARKS)
PAUSE_S = 0.8
MAX_S = 10.0
CLAUSE_AFTER_S = 5.0


def segments_of(
    words: Sequence[TimedWord], offset_s: float, language: str = "", channel: int | None = None
) -> list[JobSegment]:
    """Return the segments in order; ``id`` counts from 0 within these words, times are shifted by ``offset_s``.

    ``language``: of all the words. ``channel``: that they are of; None when the channels were mixed.
    """
    segments: list[JobSegment] = []
    run: list[TimedWord] = []
    for index, word in enumerate(words):
        run.append(word)
        following = words[index + 1] if index + 1 < len(words) else None
        if following is None or _ends(run, following):
            segments.append(_segment(len(segments), run, offset_s, language, channel))
            run = []
    return segments


def _ends(run: Sequence[TimedWord], following: TimedWord) -> bool:
    last, length_s = run[-1], run[-1].end_s - run[0].start_s
    return (
        last.text.endswith(SENTENCE_END)
        or following.start_s - last.end_s >= PAUSE_S
        or (length_s >= CLAUSE_AFTER_S and last.text.endswith(CLAUSE_END))
        or length_s >= MAX_S
    )


def _segment(number: int, run: Sequence[TimedWord], offset_s: float, language: str, channel: int | None) -> JobSegment:
    return JobSegment(
        id=number,
        start=round(run[0].start_s + offset_s, 3),
        end=round(run[-1].end_s + offset_s, 3),
        text=join_words(run),
        confidence=round(sum(word.probability for word in run) / len(run), 3),
        words=[
            JobWord(
                w.text, round(w.start_s + offset_s, 3), round(w.end_s + offset_s, 3), round(w.probability, 3), channel
            )
            for w in run
        ],
        channel=channel,
        language=language,
    )
