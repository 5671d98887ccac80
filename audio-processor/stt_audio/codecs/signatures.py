"""Beginnings of recordings that cannot be mistaken for samples, so that they are found where samples are expected."""

import re
from dataclasses import replace

from stt_audio.codecs.au import HEADER_BYTES, MAGIC, is_au_header
from stt_audio.codecs.formats import Media
from stt_audio.codecs.frames import FRAME_FORMATS, TRANSPORT_PACKETS, confirmed
from stt_audio.codecs.sniff import certain_media
from stt_audio.codecs.wav import RIFF_HEADER_BYTES

SIGNATURE_BYTES = 48
"""Bytes that are enough for all containers that have a header."""
_FRAMES = 4
"""Frames in a row that prove a stream of frames without a header."""

_OTHERS = (
    (re.compile(rb"\x00\x00..(?:styp|moof)", re.DOTALL), Media.MOV),
    (re.compile(rb"ID3[\x02-\x04]\x00[\x00-\xf0][\x00-\x7f]{4}"), Media.MP3),
)
CERTAIN_FRAMES = (
    *(replace(kind, n_frames=_FRAMES) for kind in FRAME_FORMATS if kind.media in (Media.MP3, Media.AAC)),
    TRANSPORT_PACKETS,
)
"""Frames that are looked for where samples may come, too."""


def signature(head: bytes) -> Media | None:
    """Return the container that ``head`` (``SIGNATURE_BYTES`` are enough) certainly begins; None for anything else."""
    return certain_media(head) or next((media for pattern, media in _OTHERS if pattern.match(head)), None)


def frames_of(head: bytes) -> tuple[Media | None, bool]:
    """Return the codec of a stream that begins with several frames without a header, and whether that is certain.

    The answer is not certain while ``head`` is too short: (None, False).
    """
    answers = [(kind.media, confirmed(kind, head, 0, ended=False)) for kind in CERTAIN_FRAMES]
    found = next((media for media, answer in answers if answer), None)
    return found, found is not None or all(answer is not None for _, answer in answers)


def header_at(data: bytes, limit: int) -> int:
    """Return where in the first ``limit`` bytes of ``data`` a header of WAV or AU begins, perhaps one that the end of
    ``data`` cuts off; the smaller of ``limit`` and the length of ``data`` when none does."""
    end = _riff_at(data, limit)
    at = data.find(MAGIC, 0, end + 3)
    while at >= 0:
        if len(data) - at < HEADER_BYTES or is_au_header(data[at : at + HEADER_BYTES]):
            return at
        at = data.find(MAGIC, at + 1, end + 3)
    cut = next((len(data) - n_bytes for n_bytes in (3, 2) if data.endswith(MAGIC[:n_bytes])), end)
    return min(cut, end)


def _riff_at(data: bytes, limit: int) -> int:
    end = min(limit, len(data))
    at = data.find(b"RIF", 0, end + 2)
    while at >= 0:
        head = data[at : at + RIFF_HEADER_BYTES]
        if head[3:4] in (b"", b"F", b"X") and b"WAVE".startswith(head[8:]):
            return at
        at = data.find(b"RIF", at + 1, end + 2)
    # Not after one byte: every 256th piece of samples ends so, and would wait for the next.
    return len(data) - 2 if data.endswith(b"RI") and len(data) - 2 < end else end
