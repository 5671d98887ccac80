"""A transcript's text as people have changed it, without changing what was heard. Pure.

An edit belongs to a segment as heard, by its start and channel. Edits are stored beside the segments, so a transcript
that is written again keeps them; one of a segment that has other words by then no longer applies.
"""

from collections.abc import Iterator, Sequence

import msgspec

from stt_gateway.core.speakers.edits import SpeakerEdits, edited
from stt_gateway.core.texts.retime import retimed
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.segments import words_of
from stt_shared.contracts.text import join_texts

MAX_TEXT_CHARS = 5000
"""Longest text of a segment."""


class TextEdit(msgspec.Struct, frozen=True, omit_defaults=True):
    """The text of a segment that was ``heard``; ``text`` '' removes it."""

    start: float
    heard: str
    text: str
    channel: int | None = None


class GivenText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new text of a segment of the transcript as its readers see it, by its ``id``, which is its position."""

    segment: int
    text: str


def corrected(segments: Sequence[JobSegment], edits: Sequence[TextEdit]) -> list[JobSegment]:
    """Return the segments with the edited texts, words with times, and without those that have no text left."""
    if not edits:
        return list(segments)
    by_key = {(one.start, one.channel, one.heard): one.text for one in edits}
    left = [one for one in (_with_text(segment, by_key.get(_key(segment))) for segment in segments) if one is not None]
    return [msgspec.structs.replace(one, id=at) for at, one in enumerate(left)]


def edited_text(segments: Sequence[JobSegment], edits: Sequence[TextEdit]) -> str:
    """Return the whole text with the edits."""
    return join_texts(one.text for one in corrected(segments, edits))


def changed_texts(
    segments: Sequence[JobSegment], edits: Sequence[TextEdit], speakers: SpeakerEdits, given: Sequence[GivenText]
) -> list[TextEdit]:
    """Return the edits with the given texts. ``segments``: as heard. Raises SttError bad_config."""
    shown, _ = edited(corrected(segments, edits), speakers)
    texts = {one.segment: " ".join(one.text.split()) for one in given}
    for id, text in texts.items():
        _check(id, text, len(shown))
    by_key = {(one.start, one.channel, one.heard): one.text for one in edits}
    parts = enumerate(shown)
    for segment in segments:
        key = _key(segment)
        now = _with_text(segment, by_key.get(key))
        if now is None:
            continue
        mine = _parts_of(now, parts)
        if any(at in texts for at, _ in mine):
            by_key[key] = join_texts(texts.get(at, part.text) for at, part in mine)
    return [
        TextEdit(start, heard, text, channel)
        for (start, channel, heard), text in sorted(by_key.items(), key=lambda item: (item[0][0], item[0][1] or 0))
        if text != heard
    ]


def _key(segment: JobSegment) -> tuple[float, int | None, str]:
    return segment.start, segment.channel, segment.text


def _with_text(segment: JobSegment, text: str | None) -> JobSegment | None:
    if text is None:
        return segment
    return msgspec.structs.replace(segment, text=text, words=retimed(segment, text)) if text else None


def _parts_of(segment: JobSegment, parts: Iterator[tuple[int, JobSegment]]) -> list[tuple[int, JobSegment]]:
    """Take the parts of one segment, which have all of its words."""
    left, mine = len(words_of(segment)), []
    while left > 0:
        mine.append(next(parts))
        left -= len(words_of(mine[-1][1]))
    return mine


def _check(id: int, text: str, count: int) -> None:
    if not 0 <= id < count:
        known = f"they are 0 to {count - 1}" if count else "there are none"
        raise SttError("bad_config", f"there is no segment {id}; {known}")
    if len(text) > MAX_TEXT_CHARS:
        raise SttError("bad_config", f"segment {id} would be {len(text)} characters long; at most {MAX_TEXT_CHARS} fit")
