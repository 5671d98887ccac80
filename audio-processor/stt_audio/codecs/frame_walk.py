"""Walk through a file of frames without a header, in step with FFmpeg, which passes over lost bytes without a word."""

import re

from stt_audio.codecs.formats import Media
from stt_audio.codecs.frames import FRAME_FORMATS, FrameFormat, confirmed
from stt_audio.codecs.parts import after_tags
from stt_audio.codecs.source import SeekableReadable

_WALKED = {kind.media: kind for kind in FRAME_FORMATS if kind.media in (Media.MP3, Media.AAC)}
"""Formats in which frame follows frame. Others have extensions between them, or stamps that show what is missing."""
_READ_BYTES = 1 << 18
_MAX_SEARCHED_BYTES = 4 << 20
"""Bytes that are searched for frames in one file: each place that looks like one costs time."""
_LEAST_SEARCHED_BYTES = 4096
"""What a search counts at least, so that their number is limited too."""
_ID3V1_BYTES = 128
_ID3V2 = re.compile(rb"ID3[\x02-\x04]\x00[\x00-\xf0][\x00-\x7f]{4}")


class FrameWalk:
    """Walk through the frames of ``file``, which is of ``kind``."""

    def __init__(self, file: SeekableReadable, kind: FrameFormat) -> None:
        self._file = file
        self._kind = kind
        self._sync = re.compile(rb"(?=" + kind.sync + rb")")
        self._last = self._at = 0
        self._data, self._data_at = b"", 0
        self._left_bytes = _MAX_SEARCHED_BYTES
        self._ended = self._in_step = False

    def step(self) -> bool:
        """Pass the next frame; return whether bytes before it belong to no frame and no tag."""
        if self._ended:
            return False
        head, is_lost = self._peek(self._at, self._kind.header_bytes), False
        length = self._kind.frame_bytes(head) if self._in_step else 0
        if not length:
            is_lost = self._resynchronise()
            length = self._kind.frame_bytes(self._peek(self._at, self._kind.header_bytes))
        self._last, self._at = self._at, self._at + length
        return is_lost

    def _resynchronise(self) -> bool:
        """Go to the next frames that follow each other; return whether what is passed over is neither tag nor padding,
        and not what comes before the first frame."""
        start = self._after_tags(self._at)
        if self._in_step and (tag := _ID3V2.search(self._peek(self._last, self._at - self._last))):
            start = self._after_tags(self._last + tag.start())  # another file was joined to the end of a cut frame
        found = self._find(start)
        is_lost = self._in_step and not self._ended and bool(self._junk(start, found).strip(b"\0"))
        self._at, self._in_step = found, True
        return is_lost

    def _after_tags(self, at: int) -> int:
        at = after_tags(self._file, at)
        return after_tags(self._file, at + _ID3V1_BYTES) if self._peek(at, 3) == b"TAG" else at

    def _junk(self, start: int, end: int) -> bytes:
        """Return the bytes that are no frames; none if a tag without a length at its beginning is among them."""
        junk = self._peek(start, end - start)
        return b"" if b"APETAGEX" in junk or junk.startswith(b"LYRICSBEGIN") else junk

    def _find(self, at: int) -> int:
        """Return where frames follow each other, from ``at`` on; the walk ends if they do not."""
        self._left_bytes -= _LEAST_SEARCHED_BYTES
        while self._left_bytes > 0:
            data = self._peek(at, _READ_BYTES)
            is_last = len(data) < _READ_BYTES
            passed = max(1, len(data) - self._kind.header_bytes)
            for match in self._sync.finditer(data):
                answer = confirmed(self._kind, data, match.start(), ended=is_last)
                if answer:
                    return at + match.start()
                if answer is None:
                    passed = max(1, match.start())
                    break
            if is_last:
                break
            at += passed
            self._left_bytes -= passed
        self._ended = True
        return at

    def _peek(self, at: int, n_bytes: int) -> bytes:
        begin = at - self._data_at
        if begin < 0 or begin + n_bytes > len(self._data):
            self._file.seek(at)
            self._data, self._data_at, begin = b"", at, 0
            while len(self._data) < max(n_bytes, _READ_BYTES) and (data := self._file.read(_READ_BYTES)):
                self._data += data
        return self._data[begin : begin + n_bytes]


def frame_walk(file: SeekableReadable, media: Media) -> FrameWalk | None:
    """Return the walk through a recording of ``media``; None for those in which FFmpeg itself shows what is missing."""
    return FrameWalk(file, _WALKED[media]) if media in _WALKED else None
