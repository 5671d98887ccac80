"""Paragraphs of a transcript, as people write them down. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from stt_gateway.core.subtitles.plain_text import voice_name
from stt_shared.contracts.jobs import JobSegment
from stt_shared.contracts.text import SENTENCE_MARKS, join_texts

PAUSE_S = 2.0
"""A pause after which the same speaker begins a new paragraph."""
LONG_CHARS = 500
"""Length after which a paragraph ends with the next sentence."""


class Paragraph(msgspec.Struct, frozen=True):
    """What one voice says in one go; ``start`` in seconds. ``voice`` is '' if nobody knows whose it is, or if it is
    that of the paragraph before."""

    start: float
    voice: str
    text: str


def paragraphs(segments: Sequence[JobSegment]) -> list[Paragraph]:
    """Return the segments as paragraphs."""
    found: list[Paragraph] = []
    before = ""
    for group in _groups([segment for segment in segments if segment.text.strip()]):
        voice = _voice(group[0])
        text = join_texts(segment.text.strip() for segment in group)
        found.append(Paragraph(group[0].start, "" if voice == before else voice, text))
        before = voice
    return found


def _groups(segments: Iterable[JobSegment]) -> list[list[JobSegment]]:
    groups: list[list[JobSegment]] = []
    length = 0
    for segment in segments:
        last = groups[-1][-1] if groups else None
        is_new = last is None or _voice(last) != _voice(segment) or segment.start - last.end >= PAUSE_S
        if last is not None and length >= LONG_CHARS and last.text.rstrip().endswith(tuple(SENTENCE_MARKS)):
            is_new = True
        if is_new:
            groups.append([])
            length = 0
        groups[-1].append(segment)
        length += len(segment.text)
    return groups


def _voice(segment: JobSegment) -> str:
    return voice_name(segment.speaker, segment.channel)
