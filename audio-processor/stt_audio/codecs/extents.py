"""Where a recording ends within a file, by the structure of its container, so that what follows it can be found."""

import struct
from collections.abc import Callable
from typing import BinaryIO

from stt_audio.codecs.formats import Media
from stt_audio.codecs.sniff import find_recording
from stt_audio.codecs.transport_end import transport_stream_end

_READ_BYTES = 1 << 20
_OVERLAP_BYTES = 64
_MAX_ELEMENTS = 5_000_000
"""Most boxes, pages or clusters that are passed: a day of Ogg pages."""
_SEARCHED = frozenset(
    (
        *(Media.MP3, Media.AAC, Media.LOAS, Media.AC3, Media.EAC3, Media.DTS, Media.TRUEHD, Media.MLP),
        *(Media.WAV, Media.FLAC, Media.WAVPACK, Media.TTA, Media.AMR, Media.ILBC, Media.VOC, Media.NIST),
    )
)
"""Containers of nothing but audio that do not state where they end: one of ``_COMMON`` may follow."""
_COMMON = (Media.WAV, Media.MOV, Media.FLAC, Media.OGG, Media.MATROSKA)
_SEARCHED_FOR_ITSELF = frozenset({Media.AIFF, Media.W64, Media.CAF, Media.ASF, Media.FLV, Media.QCP})
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_IN_SEGMENT = frozenset((0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367))
_IN_CLUSTER = frozenset((0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854))
_ELEMENTS = frozenset((_EBML, _SEGMENT, _CLUSTER, *_IN_SEGMENT, *_IN_CLUSTER, 0xEC, 0xBF))
"""Those of Matroska (RFC 9559) that may follow one that is passed; last those that may be anywhere."""


def end_of(media: Media, file: BinaryIO, start: int, size: int) -> int:
    """Return the offset at which the recording ends that begins at ``start``; ``size``: that of the file.

    What lies there need not be another recording.
    """
    if media in _WALKERS:
        return min(_WALKERS[media](file, start, size), size)
    return next_recording(media, file, start + 1, size)


def header_of(media: Media, file: BinaryIO, start: int, size: int) -> bytes:
    """Return the description of the tracks, which says whether they are encrypted: 1 MiB at most."""
    at = start
    if media is Media.MOV:
        for _ in range(_MAX_ELEMENTS):
            kind, length = _box(file, at, size)
            if not length or kind == b"moov":
                break
            at += length
    elif media is not Media.ASF:
        return b""
    return _read(file, at, _READ_BYTES if media is Media.MOV else 1 << 16)


def next_recording(media: Media, file: BinaryIO, start: int, size: int) -> int:
    """Return where the next recording begins after one of ``media``; ``size`` when none is found."""
    if media not in _SEARCHED | _SEARCHED_FOR_ITSELF:
        return size
    kinds = {media} if media in _SEARCHED_FOR_ITSELF else {media, *_COMMON}
    at = start
    while at < size:
        data = _read(file, at, min(_READ_BYTES, size - at))
        found = find_recording(data, kinds)
        if found >= 0:
            return at + found
        if at + len(data) >= size or not data:
            break
        at += max(1, len(data) - _OVERLAP_BYTES)
    return size


def _au_end(file: BinaryIO, start: int, size: int) -> int:
    """Return the end that the header states, unless the length is unknown."""
    header_bytes, data_bytes = struct.unpack(">II", _read(file, start + 4, 8).ljust(8, b"\xff"))
    return size if data_bytes == 0xFFFF_FFFF else start + header_bytes + data_bytes


def _mov_end(file: BinaryIO, start: int, size: int) -> int:
    """Return where the boxes end, or another file's begin with ``ftyp``."""
    at, has_index, has_samples = start, False, False
    for _ in range(_MAX_ELEMENTS):
        kind, length = _box(file, at, size)
        if not length or (kind == b"ftyp" and has_index and has_samples):
            return at
        has_index |= kind in (b"moov", b"moof")
        has_samples |= kind == b"mdat"
        at += length
    return size


def _box(file: BinaryIO, at: int, size: int) -> tuple[bytes, int]:
    """Return kind and length of the box at ``at``; length 0 when none begins there."""
    head = _read(file, at, 16)
    kind = head[4:8]
    if len(head) < 8 or not kind.strip(b" \xa9").isalnum():
        return b"", 0
    length = int.from_bytes(head[:4], "big")
    if length == 1:
        length = int.from_bytes(head[8:16], "big")
    return kind, length if length >= 8 else size - at  # 0: to the end of the file


def _ogg_end(file: BinaryIO, start: int, size: int) -> int:
    """Return where the pages end, or the next link of a chain begins."""
    at, has_data = start, False
    for _ in range(_MAX_ELEMENTS):
        head = _read(file, at, 27 + 255)
        if len(head) < 27:
            return size
        if head[:4] != b"OggS":
            # Damage, if pages of the same recording follow.
            page = _read(file, at, _READ_BYTES).find(b"OggS\x00")
            if page < 0 or _read(file, at + page, 6)[5:] in (b"", b"\x02"):
                return at
            at += page
            continue
        begins = head[5] & 2
        if begins and has_data:
            return at
        has_data |= not begins
        n_segments = head[26]
        at += 27 + n_segments + sum(head[27 : 27 + n_segments])
        if at >= size:
            return size
    return size


def _matroska_end(file: BinaryIO, start: int, size: int) -> int:
    """Return where the segments end, or another file's EBML header begins."""
    at, has_segment = start, False
    for _ in range(_MAX_ELEMENTS):
        element, length, header_bytes = _ebml_header(_read(file, at, 12))
        if not header_bytes or element not in _ELEMENTS or (element == _EBML and has_segment):
            return at
        has_segment |= element == _SEGMENT
        at += header_bytes
        if length is None:  # of unknown length: its children are passed one by one
            if element not in (_SEGMENT, _CLUSTER):
                return size
        else:
            at += length
        if at >= size:
            return size
    return size


def _ebml_header(head: bytes) -> tuple[int, int | None, int]:
    """Return id, length (None: unknown) and header length of an element; (0, 0, 0) when none begins here."""
    id_bytes = 9 - head[0].bit_length() if head and head[0] else 9
    if id_bytes > 4 or len(head) <= id_bytes or not head[id_bytes]:
        return 0, 0, 0
    size_bytes = 9 - head[id_bytes].bit_length()
    header_bytes = id_bytes + size_bytes
    if len(head) < header_bytes:
        return 0, 0, 0
    mask = (1 << 7 * size_bytes) - 1
    length = int.from_bytes(head[id_bytes:header_bytes], "big") & mask
    return int.from_bytes(head[:id_bytes], "big"), None if length == mask else length, header_bytes


def _riff_end(file: BinaryIO, start: int, size: int) -> int:
    """Return the end of AVI: further RIFF chunks continue it."""
    at = start
    while True:
        head = _read(file, at, 12)
        if head[:4] != b"RIFF" or (at > start and head[8:12] != b"AVIX"):
            return at
        (length,) = struct.unpack_from("<I", head, 4)
        if length < 4 or at + 8 + length >= size:
            return size
        at += 8 + length + length % 2


def _read(file: BinaryIO, at: int, n_bytes: int) -> bytes:
    file.seek(at)
    return file.read(n_bytes)


_WALKERS: dict[Media, Callable[[BinaryIO, int, int], int]] = {
    Media.MOV: _mov_end,
    Media.OGG: _ogg_end,
    Media.MATROSKA: _matroska_end,
    Media.AVI: _riff_end,
    Media.AU: _au_end,
    Media.MPEGTS: transport_stream_end,
}
