"""Restart points of a compressed stream, at which another decoder can continue.

A stream is parsed byte by byte while it arrives, without decoding it. The parser finds its *head* (the bytes that a
decoder must read before anything else) and the *points* at which a decoder that was fed the head may continue. The
points of the last few seconds are kept, so that the next owner's decoder has reached the same state when it comes to
audio that is not decoded yet.
"""

from collections import deque

import msgspec

from stt_audio.codecs.formats import Media
from stt_audio.codecs.stream_parser import Start
from stt_audio.codecs.sync_points import parser_for

MAX_KEPT_BYTES = 262_144
"""Most bytes of a stream that are kept for the next owner."""
MAX_KEPT_BYTES_OF_VIDEO = 1_048_576
"""``MAX_KEPT_BYTES`` for containers that usually hold a video too."""
PREROLL_S = 4.0
"""Audio that the next owner decodes again; less only where it would take more than ``MAX_KEPT_BYTES``."""
OPUS_PREROLL_S = 8.0
"""``PREROLL_S`` for containers that usually hold Opus, whose decoder converges slowly: after 1 s some samples still
differ by one step, after 8 s hardly any do."""
_MIN_SPACING_BYTES = 1024


class Point(msgspec.Struct, frozen=True):
    """Place in a stream: a decoder that was fed ``head`` and ``lead`` may continue with byte ``offset``."""

    offset: int
    head: bytes = b""
    lead: bytes = b""
    decoded_s: float = 0.0

    @property
    def prefix(self) -> bytes:
        """Bytes to feed before the stream's own bytes."""
        return self.head + self.lead


class Checkpoint(msgspec.Struct, frozen=True):
    """Progress of a decoder after a piece of its stream, and the point from which another one can reach the same state.

    The other decoder is fed the stream from ``point`` on, as ``media`` (None: as at the beginning of a stream), and
    continues with the data after the same piece. ``source_samples``, ``samples`` and ``state`` are the resampler's.
    ``follows``: whether another recording came before, or bare samples were announced and do not come.
    """

    point: Point
    media: Media | None = None
    source_samples: int = 0
    samples: int = 0
    state: tuple[float, ...] = ()
    follows: bool = False


class RestartPoints:
    """Restart points of one stream of ``media``, which may itself have been continued at ``begin``.

    A stream without restart points can only be continued from its beginning, for as long as that is kept.
    """

    def __init__(self, media: Media, begin: Point | None = None) -> None:
        prefix = begin.prefix if begin else b""
        self._preroll_s = OPUS_PREROLL_S if media in (Media.MATROSKA, Media.OGG) else PREROLL_S
        self._max_bytes = MAX_KEPT_BYTES_OF_VIDEO if media in (Media.MPEGTS, Media.FLV) else MAX_KEPT_BYTES
        self.parser = parser_for(media)
        self.parser.feed(prefix)
        self._prefix_bytes = len(prefix)
        self._fed = 0
        self._found: list[Start] = []
        self._points = deque([Point(0, begin.head, begin.lead) if begin else Point(0)])

    def feed(self, data: bytes) -> None:
        """Parse ``data``, which comes next."""
        self._fed += len(data)
        self._found = self.parser.feed(data)

    def decoded(self, n_bytes: int, before_s: float, after_s: float) -> None:
        """Note that the last ``n_bytes`` took the decoded audio from ``before_s`` to ``after_s`` seconds."""
        for start in self._found:
            self._add(start, self._fed - n_bytes, n_bytes, before_s, after_s)
        self._found = []
        self._forget(after_s)

    def best(self) -> Point | None:
        """Return the point from which the next owner should continue; None when the last one is too far back."""
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
        return self._fed - point.offset > self._max_bytes
