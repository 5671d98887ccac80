"""Where a compressed stream can be taken up by another decoder.

A stream is followed byte by byte while it arrives, without being decoded: its *head* (what a decoder must have seen
before anything else), and the *points* at which a decoder that was fed the head may go on. Kept are the points of the
last few seconds, so that a successor's decoder has come to the same state when it reaches what is not yet decoded.
"""

from collections import deque

import msgspec

from stt_audio.codecs.sniff import Media
from stt_audio.codecs.sync_points import Start, parser_for

MAX_KEPT_BYTES = 262_144
"""As much of a stream is kept for a successor, at most."""
PREROLL_S = 4.0
"""As much audio is decoded again by a successor; less only where that is more than ``MAX_KEPT_BYTES``."""
OPUS_PREROLL_S = 8.0
"""The same where Opus is usual: its decoder forgets slowly. After 1 s some samples still differ by one step, after 8 s
hardly any does."""
_MIN_SPACING_BYTES = 1024


class Point(msgspec.Struct, frozen=True):
    """A decoder that was fed ``head`` and ``lead`` may go on with byte ``offset`` of the stream."""

    offset: int
    head: bytes = b""
    lead: bytes = b""
    decoded_s: float = 0.0

    @property
    def prefix(self) -> bytes:
        """What comes before the stream's own bytes."""
        return self.head + self.lead


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a decoder is after a piece of its stream, and how another one gets there: it is fed the stream from
    ``point`` on, as ``media`` (None: as from the beginning), and goes on with what comes after the same piece."""

    point: Point
    media: Media | None = None
    source_samples: int = 0
    samples: int = 0


class RestartPoints:
    """The restart points of one stream of ``media``, which may itself have been taken up at ``begin``.

    A stream in which no point is found can be taken up from its beginning, as long as that is kept.
    """

    def __init__(self, media: Media, begin: Point | None = None) -> None:
        prefix = begin.prefix if begin else b""
        self._preroll_s = OPUS_PREROLL_S if media in (Media.MATROSKA, Media.OGG) else PREROLL_S
        self._follower = parser_for(media)
        self._follower.feed(prefix)
        self._prefix_bytes = len(prefix)
        self._fed = 0
        self._points = deque([Point(0, begin.head, begin.lead) if begin else Point(0)])

    def feed(self, data: bytes, before_s: float, after_s: float) -> None:
        """``data`` has been decoded; before it, ``before_s`` seconds of audio had come out, and ``after_s`` now."""
        began = self._fed
        self._fed += len(data)
        for start in self._follower.feed(data):
            self._add(start, began, len(data), before_s, after_s)
        self._forget(after_s)

    def best(self) -> Point | None:
        """The point from which a successor should go on; None when too much lies behind the last one."""
        return self._points[0] if self._points else None

    def _add(self, start: Start, began: int, n_bytes: int, before_s: float, after_s: float) -> None:
        offset = start.at - self._prefix_bytes
        last = self._points[-1].offset if self._points else -_MIN_SPACING_BYTES
        if offset < 0 or offset - last < _MIN_SPACING_BYTES:
            return
        share = max(0.0, (offset - began) / n_bytes)
        self._points.append(Point(offset, start.head, start.lead, before_s + share * (after_s - before_s)))

    def _forget(self, now_s: float) -> None:
        points = self._points
        while len(points) > 1 and (points[1].decoded_s <= now_s - self._preroll_s or self._is_too_much(points[0])):
            points.popleft()
        if points and self._is_too_much(points[0]):
            points.clear()

    def _is_too_much(self, point: Point) -> bool:
        return self._fed - point.offset > MAX_KEPT_BYTES
