"""Parsers of the outer structure of compressed streams, one for each container that is decoded live."""

import struct
from abc import abstractmethod

from stt_audio.codecs.amr import FRAME_BYTES, frame_mode
from stt_audio.codecs.flash_video import FlashVideoParser
from stt_audio.codecs.formats import Media
from stt_audio.codecs.mpeg import HEADER_BYTES, ID3_HEADER_BYTES, id3_bytes, junk_end, mpeg_frame_bytes
from stt_audio.codecs.stream_parser import MAX_PART_BYTES, StreamParser
from stt_audio.codecs.transport_stream import TransportStreamParser


class _Opaque(StreamParser):
    """Stream that can only be decoded from its beginning."""

    def _part(self, pending: bytearray) -> int:
        return len(pending)


_EBML, _SEGMENT, _INFO, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B
_CLUSTER, _TIMESTAMP, _BLOCK_GROUP, _SIMPLE_BLOCK = 0x1F43B675, 0xE7, 0xA0, 0xA3
_OTHER_ELEMENTS = frozenset(
    (
        *(0x114D9B74, 0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469),  # SeekHead, Cues, Tags, Chapters, Attachments
        *(0x5854, 0xA7, 0xAB, 0xAF, 0xEC, 0xBF),  # SilentTracks, Position, PrevSize, EncryptedBlock, Void, CRC-32
    )
)
_UNKNOWN_SIZE = b"\x01\xff\xff\xff\xff\xff\xff\xff"


class _Matroska(StreamParser):
    """Matroska and WebM: a decoder can begin at any block, even in the middle of a cluster, since a recorder's cluster
    may last half a minute. The lead is the beginning of a cluster of unknown size with that cluster's time."""

    def _part(self, pending: bytearray) -> int:
        id_bytes = _vint_bytes(pending)
        size_bytes = _vint_bytes(pending[id_bytes : id_bytes + 1]) if id_bytes else 0
        header = id_bytes + size_bytes
        if not size_bytes or len(pending) < header:
            return 0
        element = int.from_bytes(pending[:id_bytes], "big")
        mask = (1 << 7 * size_bytes) - 1
        size = int.from_bytes(pending[id_bytes:header], "big") & mask
        if element == _EBML and self._head:
            return self._end()
        if element == _SEGMENT:
            self._head += bytes(pending[:id_bytes]) + _UNKNOWN_SIZE
            return header
        if element == _CLUSTER:
            self._lead = b""
            return header
        if size == mask:  # only segments and clusters may have an unknown size
            return self._lose()
        whole = header + size
        if element in (_EBML, _INFO, _TRACKS, _TIMESTAMP):
            if whole > MAX_PART_BYTES:
                return self._lose()
            if len(pending) < whole:
                return 0
            if element == _TIMESTAMP:
                self._lead = _CLUSTER.to_bytes(4, "big") + _UNKNOWN_SIZE + bytes(pending[:whole])
            else:
                self._head += bytes(pending[:whole])
        elif element in (_SIMPLE_BLOCK, _BLOCK_GROUP):
            if self._lead:
                self._start()
        elif element not in _OTHER_ELEMENTS:
            return self._lose()
        return whole


def _vint_bytes(data: bytes | bytearray) -> int:
    """Return the length of an EBML variable-length integer by its first byte; 0 when ``data`` is empty.

    A zero byte is invalid and counts as one byte, so that the parser skips it.
    """
    if not data:
        return 0
    return 9 - data[0].bit_length() if data[0] else 1


class _Ogg(StreamParser):
    """Ogg: a decoder can begin at any page. The head is the pages before the first one with a position above 0."""

    _in_head = True

    def _part(self, pending: bytearray) -> int:
        if len(pending) < 27:
            return 0
        if pending[:4] != b"OggS":
            return self._lose()
        n_segments = pending[26]
        if len(pending) < 27 + n_segments:
            return 0
        whole = 27 + n_segments + sum(pending[27 : 27 + n_segments])
        begins_stream = pending[5] & 2
        (granule,) = struct.unpack_from("<q", pending, 6)
        if begins_stream and not self._in_head:
            return self._end()
        if self._in_head and granule in (0, -1):
            if len(pending) < whole:
                return 0
            self._head += bytes(pending[:whole])
            return whole
        self._in_head = False
        self._start()
        return whole


class _Flac(StreamParser):
    """FLAC: a decoder can begin at any frame. The head is the stream's parameters, without any other metadata."""

    _in_head = True

    def _part(self, pending: bytearray) -> int:
        if not self._in_head:
            return self._frames(pending)
        if not self._head and self._at == 0:
            if len(pending) < 4:
                return 0
            return 4 if pending[:4] == b"fLaC" else self._lose()
        if len(pending) < 4:
            return 0
        kind, whole = pending[0] & 0x7F, 4 + int.from_bytes(pending[1:4], "big")
        if kind == 0:
            if len(pending) < whole:
                return 0
            self._head = b"fLaC\x80" + bytes(pending[1:whole])
        self._in_head = not pending[0] & 0x80
        return whole

    @property
    def undecided_bytes(self) -> int:
        """Number of bytes at the end of what was fed that may belong to the next recording."""
        return len(self._pending) if self._in_head or self.ends else len(self._pending) - _flac_at(self._pending, 0)

    def _frames(self, pending: bytearray) -> int:
        next_at = _flac_at(pending, 0)
        if next_at == 0:
            return self._end() if len(pending) >= _FLAC_HEADER_BYTES else 0
        last = min(len(pending) - 16, next_at - 1)  # 16 bytes: the longest frame header
        at = pending.find(b"\xff", 0, last + 1) if last >= 0 else -1
        while 0 <= at <= last:
            if _is_flac_frame(pending[at : at + 16]):
                self._start(at)
            at = pending.find(b"\xff", at + 1, last + 1)
        return next_at if len(pending) - next_at >= _FLAC_HEADER_BYTES else max(0, last + 1)


_FLAC_HEADER_BYTES = 8
_FLAC_HEADERS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")


def _flac_at(data: bytearray, start: int) -> int:
    """Return where a FLAC header begins in ``data``, perhaps one that its end cuts off; its length when none does."""
    at = data.find(b"f", start)
    while at >= 0:
        head = bytes(data[at : at + _FLAC_HEADER_BYTES])
        if any(header.startswith(head) for header in _FLAC_HEADERS):
            return at
        at = data.find(b"f", at + 1)
    return len(data)


def _is_flac_frame(head: bytearray) -> bool:
    if head[1] & 0xFE != 0xF8 or head[2] >> 4 == 0 or head[2] & 15 == 15 or head[3] >> 4 > 10 or head[3] & 1:
        return False
    number_bytes = 1 if head[4] < 0x80 else 8 - (head[4] ^ 0xFF).bit_length()
    size_bytes = {6: 1, 7: 2}.get(head[2] >> 4, 0)
    rate_bytes = {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    length = 4 + number_bytes + size_bytes + rate_bytes
    crc = 0
    for byte in head[:length]:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ 0x107 if crc & 0x80 else crc << 1
    return length < 16 and crc == head[length]


class _Framed(StreamParser):
    """Sequence of frames that contain their own length, perhaps with ID3 tags between them. No head."""

    _header_bytes = 7

    @property
    def undecided_bytes(self) -> int:
        """Zero: frames of the next recording are frames like all others."""
        return 0

    def _part(self, pending: bytearray) -> int:
        if len(pending) < ID3_HEADER_BYTES:
            return 0
        if tag_bytes := id3_bytes(pending):
            return tag_bytes
        length = self._frame_bytes(pending)
        if length:
            if len(pending) < length + self._header_bytes:
                return 0
            if self._frame_bytes(pending[length : length + self._header_bytes]):
                self._start()
                return length
        return junk_end(pending)

    @abstractmethod
    def _frame_bytes(self, head: bytearray) -> int:
        """Return the length of the frame that begins with ``head``; 0 when none does."""


class _Adts(_Framed):
    def _frame_bytes(self, head: bytearray) -> int:
        if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
            return 0
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
        return length if length >= self._header_bytes else 0


class _Mpeg(_Framed):
    _header_bytes = HEADER_BYTES

    def _frame_bytes(self, head: bytearray) -> int:
        return mpeg_frame_bytes(head)


_AMR_SPACING_BYTES = 1024
_AMR = b"#!AMR"
_AMR_CODECS = {b"#!AMR\n": "amrnb", b"#!AMR-WB\n": "amrwb"}


class _Amr(StreamParser):
    """AMR: a decoder can begin at any frame; one of each KiB is noted, since pauses are single bytes. The
    head is the first line, which names the codec."""

    _started_at = -_AMR_SPACING_BYTES

    def _part(self, pending: bytearray) -> int:
        if not self._head:
            if len(pending) < max(map(len, _AMR_CODECS)):
                return 0
            self._head = next((line for line in _AMR_CODECS if pending.startswith(line)), b"")
            return len(self._head) or self._lose()
        if pending.startswith(_AMR):
            return self._end()
        if not pending or _AMR.startswith(pending):
            return 0
        if self._at >= self._started_at + _AMR_SPACING_BYTES:
            self._started_at = self._at
            self._start()
        return self._run_bytes(pending, self._started_at + _AMR_SPACING_BYTES - self._at)

    def _run_bytes(self, pending: bytearray, limit: int) -> int:
        """Return the length of the frames up to the next place, or to what may be another head."""
        lengths, at = FRAME_BYTES[_AMR_CODECS[self._head]], 0
        while at < min(len(pending), limit) and (pending[at] != _AMR[0] or not at):
            at += lengths[frame_mode(pending[at])]
        return at


_BASE_DATA_OFFSET = 1
INDEX_MISSING = (
    "the MP4 stream has its samples before its index (moov), so that it cannot be decoded while it arrives; write "
    "fragments (FFmpeg: -movflags frag_keyframe+empty_moov), or send a whole file of this kind in one message"
)


class _Mp4(StreamParser):
    """MP4: a decoder can begin at any fragment, unless its offsets are counted from the beginning of the file."""

    _has_index = False
    _has_starts = True

    def _part(self, pending: bytearray) -> int:
        if len(pending) < 16:
            return 0
        size, kind = int.from_bytes(pending[:4], "big"), bytes(pending[4:8])
        if size == 1:
            size = int.from_bytes(pending[8:16], "big")
        if kind == b"ftyp" and self._at > 0 and self._has_index:
            return self._end()
        if size < 8 or not kind.isalnum():  # 0: up to the end of the stream
            return self._lose()
        if kind == b"mdat" and not self._has_index:
            self.refusal = INDEX_MISSING
        if kind in (b"ftyp", b"moov", b"moof") and self._has_starts:
            if size > MAX_PART_BYTES:
                self._has_starts = False
            elif len(pending) < size:
                return 0
            elif kind != b"moof":
                self._head += bytes(pending[:size])
            elif b"moov" not in self._head or _counts_from_file_start(pending[:size]):
                self._has_starts = False
            else:
                self._start()
        self._has_index = self._has_index or kind == b"moov"
        return size


def _counts_from_file_start(moof: bytearray) -> bool:
    at = moof.find(b"tfhd")
    return at < 0 or len(moof) < at + 8 or bool(moof[at + 7] & _BASE_DATA_OFFSET)


_FOLLOWERS: dict[Media, type[StreamParser]] = {
    Media.MATROSKA: _Matroska,
    Media.OGG: _Ogg,
    Media.FLAC: _Flac,
    Media.MP3: _Mpeg,
    Media.AAC: _Adts,
    Media.MOV: _Mp4,
    Media.MPEGTS: TransportStreamParser,
    Media.FLV: FlashVideoParser,
    Media.AMR: _Amr,
}


def parser_for(media: Media) -> StreamParser:
    """Return a new parser for a stream of ``media``."""
    return _FOLLOWERS.get(media, _Opaque)()
