"""Detection of a stream's container by its content, never by its name. The list is closed, since FFmpeg's own guess
could be a playlist that makes it open other files."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stt_audio.codecs.formats import Media
from stt_audio.codecs.frames import FRAME_FORMATS, FrameFormat, confirmed
from stt_audio.codecs.mpeg import id3_bytes
from stt_audio.codecs.refused import refused_name

HEAD_BYTES = 16
"""Fewest bytes by which a format with a file header is recognised."""
MAX_JUNK_BYTES = 65_536
"""Most bytes before the media, besides tags, that are searched for its beginning: padding, the end of a cut frame, a
line of some protocol."""

_SIGNATURES = (
    (rb"fLaC", Media.FLAC),
    (rb"OggS\x00", Media.OGG),
    (rb"\x1a\x45\xdf\xa3", Media.MATROSKA),
    (rb"(?:RIFF|RIFX|RF64|BW64)....WAVE", Media.WAV),
    (rb"riff\x2e\x91\xcf\x11", Media.W64),
    (rb"FORM....AIF[FC]", Media.AIFF),
    (rb"RIFF....AVI[ X]", Media.AVI),
    (rb"RIFF....QLCM", Media.QCP),
    (rb"....(?:ftyp|styp|moov|moof|mdat|free|skip|wide|sidx|pnot)", Media.MOV),
    (rb"\.snd", Media.AU),
    (rb"#!AMR", Media.AMR),
    (rb"#!iLBC[23]0\n", Media.ILBC),
    (rb"caff", Media.CAF),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Media.ASF),
    (rb"FLV\x01", Media.FLV),
    (rb"\x00\x00\x01\xba", Media.MPEGPS),
    (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", Media.MXF),
    (rb"\x1f\x07\x00[\x3f\xbf]", Media.DV),
    (rb"wvpk", Media.WAVPACK),
    (rb"TTA1", Media.TTA),
    (rb"Creative Voice File\x1a", Media.VOC),
    (rb"DTSHDHDR", Media.DTSHD),
    (rb"(?:\xfe\x7f\x01\x80|\x1f\xff\xe8\x00\x07|\xff\x1f\x00\xe8.\x07|\x64\x58\x20\x25)", Media.DTS),
    (rb"....\xf8\x72\x6f\xba", Media.TRUEHD),
    (rb"....\xf8\x72\x6f\xbb", Media.MLP),
    (rb"(?:ea3\x03|EA3\x01)", Media.OMA),
    (rb"[\x02\x03]dss", Media.DSS),
    (rb"NIST_1A\n", Media.NIST),
)
_AT_START = tuple((re.compile(pattern, re.DOTALL), media) for pattern, media in _SIGNATURES)

_AFTER_JUNK: dict[Media, bytes] = {
    Media.FLAC: rb"fLaC[\x00\x80]\x00\x00\x22",
    Media.OGG: rb"OggS\x00[\x00-\x07]",
    Media.MATROSKA: rb"\x1a\x45\xdf\xa3[\x01\x40-\xff].{0,40}?\x42\x82",
    Media.MOV: rb"\x00\x00..ftyp[A-Za-z0-9]{3}",
    Media.FLV: rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09",
    Media.CAF: rb"caff\x00\x01\x00\x00desc",
    Media.TTA: rb"TTA1[\x01-\x03]\x00[\x01-\x08]\x00",
    **{
        media: pattern
        for pattern, media in _SIGNATURES
        if media in (Media.WAV, Media.W64, Media.AIFF, Media.AVI, Media.QCP, Media.ASF, Media.VOC)
        or media in (Media.AMR, Media.ILBC, Media.MXF, Media.NIST, Media.DTSHD)
    },
}
"""Signatures that are long enough to be searched for anywhere."""
_ANYWHERE = {media: re.compile(pattern, re.DOTALL) for media, pattern in _AFTER_JUNK.items()}
_LITERALS = {
    **{Media.FLAC: (b"fLaC", 0), Media.OGG: (b"OggS", 0), Media.MATROSKA: (b"\x1a\x45\xdf\xa3", 0)},
    **{Media.MOV: (b"ftyp", 4), Media.FLV: (b"FLV\x01", 0), Media.CAF: (b"caff", 0), Media.TTA: (b"TTA1", 0)},
    **{Media.WAV: (b"WAVE", 8), Media.AVI: (b"AVI ", 8), Media.QCP: (b"QLCM", 8), Media.AIFF: (b"FORM", 0)},
    **{Media.W64: (b"riff\x2e\x91", 0), Media.ASF: (b"\x30\x26\xb2\x75", 0), Media.VOC: (b"Creative Voice", 0)},
    **{
        Media.AMR: (b"#!AMR", 0),
        Media.ILBC: (b"#!iLBC", 0),
        Media.NIST: (b"NIST_1A", 0),
        Media.DTSHD: (b"DTSHDHDR", 0),
    },
}
"""A part of each signature that is quick to find, and the number of bytes before it."""
_BOMS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")


@dataclass(frozen=True)
class Found:
    """Container of a stream, and the offset at which it begins; ``media`` None: nothing that is in ``Media``."""

    media: Media | None
    offset: int = 0


def sniff(head: bytes) -> Media | None:
    """Return the container that begins with ``head``; None if it is not in ``Media``.

    ``HEAD_BYTES`` are enough for a container with a file header. Of a stream of frames, two in a row are compared, as
    far as ``head`` reaches.
    """
    if (media := _signature(head)) is not None:
        return media
    if head[:3] == b"ID3":  # what follows the tag is not known here; most often it is MP3
        return Media.MP3
    for kind in FRAME_FORMATS:
        if _may_begin(kind, head) and kind.n_frames == 2 and confirmed(kind, head, 0, ended=False) is not False:
            return kind.media
        if confirmed(kind, head, 0, ended=False):
            return kind.media
    return None


def find_recording(data: bytes, kinds: Collection[Media]) -> int:
    """Return where in ``data`` a recording of one of ``kinds`` certainly begins; -1 when none does.

    Containers without a certain signature are not found.
    """
    first = -1
    for media in set(kinds) & set(_LITERALS):
        literal, ahead = _LITERALS[media]
        at = data.find(literal, ahead)
        while at >= 0 and not (0 <= first <= at - ahead):
            if _ANYWHERE[media].match(data, at - ahead):
                first = at - ahead
                break
            at = data.find(literal, at + 1)
    return first


def begins_recording(head: bytes) -> bool:
    """Return whether ``head`` (16 KiB) certainly begins a recording, also where samples are expected."""
    return certain_media(head) is not None or any(confirmed(kind, head, 0, ended=False) for kind in FRAME_FORMATS)


def certain_media(head: bytes) -> Media | None:
    """Return the container that ``head`` (48 bytes are enough) certainly begins; None for what may be chance."""
    return next((media for media, pattern in _ANYWHERE.items() if pattern.match(head)), None)


def tag_bytes(head: bytes | bytearray) -> int:
    """Return the length of the tag that ``head`` (32 bytes) begins with, and that does not belong to the media; else 0.

    ID3v2 tags, which some programs write before anything; APE tags; a byte order mark.
    """
    if length := id3_bytes(head):
        return length
    if head[:8] == b"APETAGEX" and len(head) >= 16:
        return 32 + int.from_bytes(head[12:16], "little")
    return next((len(mark) for mark in _BOMS if head.startswith(mark) and _signature(head[len(mark) :])), 0)


def find_media(
    head: bytes, *, ended: bool, kinds: Sequence[FrameFormat] = FRAME_FORMATS, max_junk_bytes: int = MAX_JUNK_BYTES
) -> Found | None:
    """Return where the media begins in ``head``, which follows all tags; None when more bytes are needed.

    With ``ended``, or beyond ``max_junk_bytes``, the answer is final. Junk before the media is skipped; for formats
    without a file header, the media begins with frames of one of ``kinds`` that follow each other.
    """
    if len(head) < HEAD_BYTES and not ended:
        return None
    if refused_name(head) is not None:
        return Found(None)
    if (media := _signature(head)) is not None:
        return Found(media)
    by_signature = _first_signature(head, max_junk_bytes)
    is_final = ended or len(head) >= max_junk_bytes
    until = by_signature.offset if by_signature else max_junk_bytes
    by_frames = _first_frames(kinds, head, until, ended=ended, is_final=is_final)
    if by_frames is not None and by_frames.media is None:
        return None
    return by_frames or by_signature or (Found(None) if is_final else None)


def _signature(head: bytes | bytearray) -> Media | None:
    return next((media for pattern, media in _AT_START if pattern.match(head)), None)


def _first_signature(head: bytes, until: int) -> Found | None:
    matches = ((pattern.search(head, 0, until), media) for media, pattern in _ANYWHERE.items())
    found = [Found(media, match.start()) for match, media in matches if match]
    return min(found, key=lambda each: each.offset, default=None)


def _first_frames(
    kinds: Sequence[FrameFormat], head: bytes, until: int, *, ended: bool, is_final: bool
) -> Found | None:
    """Return the first frames before ``until``; ``media`` None: only more bytes can tell, unless that ``is_final``."""
    found: list[Found] = []
    for kind in kinds:
        for match in re.compile(rb"(?=" + kind.sync + rb")").finditer(head, 0, until):
            is_confirmed = confirmed(kind, head, match.start(), ended=ended)
            if is_confirmed or (is_confirmed is None and not is_final):
                found.append(Found(kind.media if is_confirmed else None, match.start()))
                break
    return min(found, key=lambda each: each.offset, default=None)


def _may_begin(kind: FrameFormat, head: bytes) -> bool:
    return len(head) >= kind.header_bytes and kind.frame_bytes(head[: kind.header_bytes]) > 0
