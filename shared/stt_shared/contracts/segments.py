"""Division of a transcript's segments where the speaker changes."""

import itertools
from collections.abc import Sequence

import msgspec

from stt_shared.contracts.jobs import JobSegment, JobWord
from stt_shared.contracts.text import spaces_before


def words_of(segment: JobSegment) -> list[JobWord]:
    """Return the segment's words; a segment without words counts as one."""
    return segment.words or [JobWord(segment.text, segment.start, segment.end, segment.confidence)]


def divided(segment: JobSegment, speakers: Sequence[str]) -> list[JobSegment]:
    """Return the segment in as many parts as it has turns; ``speakers``: one for each of ``words_of(segment)``.

    The parts keep the segment's ``id``.
    """
    replace = msgspec.structs.replace
    words = [replace(word, speaker=name) for word, name in zip(segment.words, speakers, strict=bool(segment.words))]
    if len(set(speakers)) == 1:
        return [replace(segment, words=words, speaker=speakers[0])]
    spaces = spaces_before(segment.text, [word.word for word in words]) or [True] * len(words)
    parts = []
    for name, turn in itertools.groupby(zip(words, spaces, strict=True), key=lambda pair: pair[0].speaker):
        said = list(turn)
        mine = [word for word, _ in said]
        parts.append(
            replace(
                segment,
                start=mine[0].start,
                end=mine[-1].end,
                text="".join(f" {word.word}" if spaced else word.word for word, spaced in said).removeprefix(" "),
                confidence=round(sum(word.confidence for word in mine) / len(mine), 3),
                words=mine,
                speaker=name,
            )
        )
    return parts
