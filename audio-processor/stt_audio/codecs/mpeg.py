"""Framing of MPEG audio (layers I to III, so MP3 too) without FFmpeg. FFmpeg's demuxer waits for blocks of 1024 bytes,
which is half a second of a slow stream, and how much of a stream it has decoded depends on where it began."""

import re

from stt_shared.contracts.errors import SttError

HEADER_BYTES = 4
MAX_JUNK_BYTES = 65_536
"""Most bytes without two frames in a row; a stream with more is not MPEG audio. Tags do not count."""
ID3, ID3_HEADER_BYTES = b"ID3", 10
_FRAME_OR_TAG = re.compile(rb"(?s).(?:\xff|I(?:D(?:3|\Z)|\Z))")

_LAYER_1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_LAYER_2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_LAYER_3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_LOW_1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_LOW_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_KBITS_1 = (_LAYER_1, _LAYER_2, _LAYER_3)
_KBITS_2 = (_LOW_1, _LOW_2, _LOW_2)
_SHIFT_OF_RATE = {3: 0, 2: 1, 0: 2}
"""Right shift of the sample rate by the two version bits: MPEG 2 halves the rates of MPEG 1, 2.5 those of MPEG 2."""


def mpeg_frame_bytes(head: bytes | bytearray) -> int:
    """Return the length of the frame that begins with ``head`` (4 bytes are enough); 0 when none does."""
    if len(head) < HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return 0
    bits = 1000 * (_KBITS_1 if version == 3 else _KBITS_2)[layer - 1][bitrate]
    hertz = (44100, 48000, 32000)[rate] >> _SHIFT_OF_RATE[version]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits // hertz + padding)
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def id3_bytes(head: bytes | bytearray) -> int:
    """Return the length of the ID3v2 tag that begins with ``head`` (needs 10 bytes); 0 when none does."""
    if head[:3] != ID3:
        return 0
    return ID3_HEADER_BYTES + sum((head[6 + index] & 0x7F) << 7 * (3 - index) for index in range(4))


def junk_end(data: bytes | bytearray) -> int:
    """Return where after the first byte of ``data`` a frame or a tag may begin; its length when none can."""
    found = _FRAME_OR_TAG.search(data)
    return found.start() + 1 if found else len(data)


class MpegFramer:
    """Splitter of one stream into frames, each as soon as it is complete. After losing sync, it passes over tags and
    searches for two frames in a row."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._skip = 0
        self._in_step = False
        self._junk_bytes = 0
        self._kind = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that ``data`` completes. Raises SttError(bad_audio) beyond ``MAX_JUNK_BYTES`` of junk."""
        self._pending += data
        self._drop_skipped()
        return self._frames()

    def finish(self) -> list[bytes]:
        """Return the frame of a stream that holds only one. Raises SttError(bad_audio) when there was none at all."""
        if not self._kind and 0 < mpeg_frame_bytes(self._pending) <= len(self._pending):
            return [bytes(self._pending[: mpeg_frame_bytes(self._pending)])]
        if not self._kind:
            raise SttError("bad_audio", "the mp3 data holds no frame of MPEG audio")
        return []

    def _frames(self) -> list[bytes]:
        frames = []
        while len(self._pending) >= HEADER_BYTES:
            length = mpeg_frame_bytes(self._pending)
            known = length if self._in_step else length + HEADER_BYTES
            if length and len(self._pending) < known:
                break
            if length and (self._in_step or self._is_followed(length)):
                frame = bytes(self._pending[:length])
                if self._kind or not _is_index(frame):
                    frames.append(frame)
                self._kind, self._in_step, self._junk_bytes = frame[:2], True, 0
                del self._pending[:length]
                continue
            self._in_step = False
            if self._pending.startswith(ID3):
                if len(self._pending) < ID3_HEADER_BYTES:
                    break
                self._skip = id3_bytes(self._pending)
                self._drop_skipped()
                continue
            junk_bytes = junk_end(self._pending)
            del self._pending[:junk_bytes]
            self._junk_bytes += junk_bytes
            if self._junk_bytes > MAX_JUNK_BYTES:
                raise SttError("bad_audio", f"{MAX_JUNK_BYTES} bytes of the mp3 data hold no frame of MPEG audio")
        return frames

    def _drop_skipped(self) -> None:
        skipped = min(self._skip, len(self._pending))
        del self._pending[:skipped]
        self._skip -= skipped

    def _is_followed(self, length: int) -> bool:
        head, following = self._pending[:HEADER_BYTES], self._pending[length : length + HEADER_BYTES]
        same = head[1] & 0xFE == following[1] & 0xFE and head[2] & 0x0C == following[2] & 0x0C
        return same and mpeg_frame_bytes(following) > 0


def _is_index(frame: bytes) -> bool:
    """Return True for a first frame that holds an index of the file instead of audio."""
    return any(name in frame[:64] for name in (b"Xing", b"Info", b"VBRI"))
