"""Lengths of the frames of streams without a file header, by which two frames in a row can be told from chance."""

from collections.abc import Callable
from dataclasses import dataclass

from stt_audio.codecs.formats import Media
from stt_audio.codecs.mpeg import mpeg_frame_bytes

_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48000, 44100, 32000)
_DTS_SYNC = b"\x7f\xfe\x80\x01"


@dataclass(frozen=True)
class FrameFormat:
    """Kind of frame: ``frame_bytes`` returns the length of the one that begins with ``header_bytes`` bytes, or 0.

    ``sync`` is a regular expression of its first bytes; ``n_frames`` in a row are no chance.
    """

    media: Media
    sync: bytes
    header_bytes: int
    frame_bytes: Callable[[bytes | bytearray], int]
    n_frames: int = 2


def adts_frame_bytes(head: bytes | bytearray) -> int:
    """Return the length of the AAC frame with an ADTS header that begins with ``head`` (7 bytes are enough)."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length >= 7 else 0


def _ac3_frame_bytes(head: bytes | bytearray) -> int:
    rate, code = head[4] >> 6, head[4] & 0x3F
    if head[:2] != b"\x0b\x77" or head[5] >> 3 > 10 or rate == 3 or code >= 2 * len(_AC3_KBITS):
        return 0
    words = _AC3_KBITS[code >> 1] * 96000 // _AC3_RATES[rate]
    return 2 * (words + (code & 1 if rate == 1 else 0))


def _eac3_frame_bytes(head: bytes | bytearray) -> int:
    if head[:2] != b"\x0b\x77" or not 10 < head[5] >> 3 <= 16:
        return 0
    return 2 * (((head[2] & 7) << 8 | head[3]) + 1)


def _loas_frame_bytes(head: bytes | bytearray) -> int:
    length = (head[1] & 0x1F) << 8 | head[2]
    return 3 + length if head[0] == 0x56 and head[1] & 0xE0 == 0xE0 and length else 0


def _dts_frame_bytes(head: bytes | bytearray) -> int:
    length = ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1
    return length if head[:4] == _DTS_SYNC and length >= 96 else 0


def _packet_bytes(length: int, sync_at: int = 0) -> Callable[[bytes | bytearray], int]:
    return lambda head: length if head[sync_at] == 0x47 and head[sync_at + 3] & 0x30 else 0


TRANSPORT_PACKETS = FrameFormat(Media.MPEGTS, rb"\x47", 4, _packet_bytes(188), n_frames=5)
"""Packets of MPEG-TS as it is sent; discs and cameras add a time to each."""
FRAME_FORMATS = (
    FrameFormat(Media.MP3, rb"\xff[\xe2-\xff]", 4, mpeg_frame_bytes),
    FrameFormat(Media.AAC, rb"\xff[\xf0\xf1\xf8\xf9]", 7, adts_frame_bytes),
    FrameFormat(Media.AC3, rb"\x0b\x77", 6, _ac3_frame_bytes),
    FrameFormat(Media.EAC3, rb"\x0b\x77", 6, _eac3_frame_bytes),
    FrameFormat(Media.DTS, rb"\x7f\xfe\x80\x01", 8, _dts_frame_bytes),
    FrameFormat(Media.LOAS, rb"\x56[\xe0-\xff]", 3, _loas_frame_bytes, n_frames=3),
    TRANSPORT_PACKETS,
    FrameFormat(Media.MPEGTS, rb"[\s\S]{4}\x47", 8, _packet_bytes(192, sync_at=4), n_frames=5),
    FrameFormat(Media.MPEGTS, rb"\x47", 4, _packet_bytes(204), n_frames=5),
)


def confirmed(kind: FrameFormat, head: bytes, at: int, *, ended: bool) -> bool | None:
    """Return whether ``kind.n_frames`` frames follow each other at ``at``; None when ``head`` ends before that.

    With ``ended``, nothing follows ``head``: a single whole frame at its very start is then enough.
    """
    first = head[at : at + kind.header_bytes]
    headers: list[bytes] = []
    for number in range(kind.n_frames):
        if number and ended and at == len(head):
            return True  # the frames fill the stream to its end
        if at + kind.header_bytes > len(head):
            return None if not ended else False
        header = head[at : at + kind.header_bytes]
        length = kind.frame_bytes(header)
        if not length or not _is_same_stream(kind.media, first, header):
            return False
        headers.append(header)
        at += length
    return kind.media is not Media.MPEGTS or _are_counted(headers)


def _are_counted(packets: list[bytes]) -> bool:
    """Return whether the packets of an MPEG-TS differ, as each counts those of its stream: a tone of that period
    has a sync byte in the same places, too. Empty packets are not counted."""
    return len({packet[-4:] for packet in packets}) > 2 or any(map(_is_empty, packets))


def _is_empty(packet: bytes) -> bool:
    return packet[-3] & 0x1F == 0x1F and packet[-2] == 0xFF


def _is_same_stream(media: Media, first: bytes, header: bytes) -> bool:
    """Return whether two headers agree in what does not change from frame to frame: version, layer, rate."""
    if media is Media.MP3:
        return first[1] & 0xFE == header[1] & 0xFE and first[2] & 0x0C == header[2] & 0x0C
    if media is Media.AAC:
        return first[1] & 0xFE == header[1] & 0xFE and first[2] & 0xFC == header[2] & 0xFC
    return True
