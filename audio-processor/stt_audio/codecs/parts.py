"""Parts of a file: recordings that were put together (with ``cat``, for example), each found after tags and junk.

Each part is handed to FFmpeg as a file of its own, since a demuxer stops at the end of the first one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from stt_audio.codecs.extents import end_of, header_of
from stt_audio.codecs.formats import FILE_NAMES, Media
from stt_audio.codecs.refused import named_refusal, protection_name, refusal
from stt_audio.codecs.sniff import HEAD_BYTES, MAX_JUNK_BYTES, Found, find_media, tag_bytes
from stt_audio.codecs.source import SeekableReadable
from stt_audio.codecs.splice import Piece, SplicedFile
from stt_audio.codecs.wav_file import read_wav_file
from stt_shared.contracts.errors import SttError

MAX_PARTS = 1000
"""Most recordings of a file that are decoded."""
_HEAD_BYTES = MAX_JUNK_BYTES + 32_768
"""The junk, and frames enough to tell that they are no chance."""
_MAX_TAGS = 16
_TAG_HEAD_BYTES = 32


@dataclass(frozen=True)
class Part:
    """One recording: what FFmpeg is fed as ``media``."""

    media: Media
    pieces: tuple[Piece, ...]

    def open(self, file: BinaryIO) -> SplicedFile:
        """Return the recording as a file of its own."""
        return SplicedFile(file, self.pieces)


def find_parts(file: BinaryIO) -> list[Part]:
    """Return the recordings in ``file``: of more than ``MAX_PARTS``, one more than that.

    Raises SttError: bad_audio when the file is empty or its WAV header broken, unsupported_media when it begins with no
    recording, or a copy-protected one.
    """
    size = file.seek(0, 2)
    if size == 0:
        raise SttError("bad_audio", "the file is empty")
    start = after_tags(file, 0)
    found, head = _find(file, start)
    if found.media is None:
        raise SttError("unsupported_media", refusal(head, FILE_NAMES))
    start += found.offset
    if name := protection_name(found.media, header_of(found.media, file, start, size)):
        raise SttError("unsupported_media", named_refusal(name, FILE_NAMES))
    return list(_parts(file, found.media, start, size))


def _parts(file: BinaryIO, media: Media, start: int, size: int) -> Iterator[Part]:
    for number in range(MAX_PARTS + 1):
        wav = None
        if media is Media.WAV:
            try:
                wav = read_wav_file(file, start, size)
            except SttError:  # of a later recording, FFmpeg may read what it can
                if number == 0:
                    raise
        end = end_of(media, file, start, size) if wav is None else wav.end
        following = _following(file, end, size)
        if wav is not None:
            yield Part(wav.media, wav.pieces)
        else:  # where nothing follows, the file's own size may just be wrong
            yield Part(media, (range(start, size if following is None else end),))
        if following is None:
            return
        media, start = following


def _following(file: BinaryIO, end: int, size: int) -> tuple[Media, int] | None:
    """Return the recording after ``end``, and where it begins."""
    if end >= size:
        return None
    start = after_tags(file, end)
    found, _ = _find(file, start)
    return None if found.media is None else (found.media, start + found.offset)


def _find(file: BinaryIO, start: int) -> tuple[Found, bytes]:
    file.seek(start)
    head = file.read(_HEAD_BYTES)
    return find_media(head, ended=True) or Found(None), head


def after_tags(file: SeekableReadable, at: int) -> int:
    """Return the offset after all tags and padding at ``at``."""
    for _ in range(_MAX_TAGS):
        at = _after_padding(file, at)
        file.seek(at)
        head = file.read(HEAD_BYTES + _TAG_HEAD_BYTES)
        tag = head.lstrip(b"\0")
        length = tag_bytes(tag[:_TAG_HEAD_BYTES])
        if not length:
            break
        at += len(head) - len(tag) + length
    return at


def _after_padding(file: SeekableReadable, at: int) -> int:
    """Return the offset after all zeros at ``at`` but the last few, which may begin an MP4 file."""
    file.seek(at)
    while data := file.read(_HEAD_BYTES):
        rest = data.lstrip(b"\0")
        if rest:
            return max(at, file.tell() - len(rest) - HEAD_BYTES)
    return at
