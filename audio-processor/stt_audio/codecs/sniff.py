"""Detection of a stream's container by its first bytes, never by its name. The list is closed, since FFmpeg's own guess
could be a playlist that makes it open other files."""

import enum

HEAD_BYTES = 16
"""Bytes from the start of a stream that are enough for ``sniff``; more do not change its answer."""


class Media(enum.StrEnum):
    """Container format; the value is the name of FFmpeg's demuxer for it."""

    WAV = "wav"
    FLAC = "flac"
    OGG = "ogg"
    MATROSKA = "matroska"
    MP3 = "mp3"
    MOV = "mov"
    AAC = "aac"
    AIFF = "aiff"
    AU = "au"
    AMR = "amr"
    CAF = "caf"
    ASF = "asf"
    AC3 = "ac3"
    EAC3 = "eac3"
    W64 = "w64"


LIVE_MEDIA = frozenset({Media.WAV, Media.FLAC, Media.OGG, Media.MATROSKA, Media.MP3, Media.MOV, Media.AAC})
"""Containers that can be decoded while they arrive."""

_MAGIC = (
    (b"fLaC", Media.FLAC),
    (b"OggS", Media.OGG),
    (b"\x1a\x45\xdf\xa3", Media.MATROSKA),
    (b"ID3", Media.MP3),
    (b".snd", Media.AU),
    (b"#!AMR", Media.AMR),
    (b"caff", Media.CAF),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Media.ASF),
    (b"riff\x2e\x91\xcf\x11", Media.W64),
)
_MOV_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"sidx"})


def sniff(head: bytes) -> Media | None:
    """Return the container that begins with ``head`` (``HEAD_BYTES`` are enough); None if it is not in ``Media``."""
    for magic, media in _MAGIC:
        if head.startswith(magic):
            return media
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Media.WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Media.AIFF
    if head[4:8] in _MOV_BOXES:
        return Media.MOV
    return _sniff_frame_header(head)


def _sniff_frame_header(head: bytes) -> Media | None:
    """Detect streams without a file header, which begin with a frame."""
    if len(head) < 6:
        return None
    if head[:2] == b"\x0b\x77":
        return Media.AC3 if head[5] >> 3 <= 10 else Media.EAC3
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0:  # only ADTS has this layer; its sync word is one bit longer, and 13 rates are defined
        return Media.AAC if head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 < 13 else None
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    return Media.MP3 if version != 1 and bitrate not in (0, 15) and rate != 3 else None
