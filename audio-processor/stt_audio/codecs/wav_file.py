"""Samples of a WAV file by the rules of ``wav``: the whole file is at hand, so nothing needs to come in order."""

from dataclasses import dataclass
from typing import BinaryIO

from stt_audio.codecs import wav
from stt_audio.codecs.au import au_header
from stt_audio.codecs.extents import next_recording
from stt_audio.codecs.formats import Media
from stt_audio.codecs.sniff import begins_recording
from stt_audio.codecs.splice import Piece
from stt_shared.contracts.errors import SttError

_MAX_CHUNKS = 10_000
_FOLLOWING_BYTES = 16_384
"""Bytes after a chunk that show whether another recording begins there."""


@dataclass(frozen=True)
class WavFile:
    """A WAV file as FFmpeg is fed it, as ``media`` and with a header that is right, and the offset at which it ends."""

    media: Media
    pieces: tuple[Piece, ...]
    end: int


class _Chunks:
    """What was found in the chunks of one file."""

    def __init__(self) -> None:
        self.format: wav.WavFormat | None = None
        self.samples: list[range] = []
        self.large_bytes = 0
        self.is_honest = True
        """False when a size in the file is wrong, or its chunks are not in the usual order."""


def read_wav_file(file: BinaryIO, start: int, size: int) -> WavFile:
    """Find all samples of the WAV file that begins at ``start``. Raises SttError when it is broken."""
    file.seek(start)
    big_endian = wav.is_big_endian(file.read(wav.RIFF_HEADER_BYTES))
    found = _Chunks()
    at = start + wav.RIFF_HEADER_BYTES
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(_FOLLOWING_BYTES)
        chunk = wav.chunk_header(head, big_endian=big_endian)
        if len(head) < wav.CHUNK_HEADER_BYTES or not chunk.is_plausible or begins_recording(head):
            break
        begin = at + wav.CHUNK_HEADER_BYTES
        at = _passed(file, chunk, begin, size, found, big_endian=big_endian)
    if found.format is None:
        raise SttError("bad_audio", "the WAV file has no 'fmt ' chunk")
    return _as_fed(found, found.format, range(start, at))


def _passed(file: BinaryIO, chunk: wav.ChunkHeader, begin: int, size: int, found: _Chunks, *, big_endian: bool) -> int:
    """Note the content of ``chunk``, which begins at ``begin``; return where the next one does."""
    end = begin + chunk.size
    if chunk.name == b"data":
        end = _samples_end(file, chunk, begin, size, found, big_endian=big_endian)
        found.samples.append(range(begin, end))
    elif chunk.name == b"fmt " and found.format is None:
        file.seek(begin)
        found.format = wav.parse_format(file.read(min(chunk.size, 1 << 16)), big_endian=big_endian)
        found.is_honest &= not found.samples
    elif chunk.name == b"ds64":
        file.seek(begin)
        found.large_bytes = wav.large_data_bytes(file.read(16))
    if end >= size:
        return size
    file.seek(end)
    following = file.read(wav.CHUNK_HEADER_BYTES + 1)
    padding = wav.next_chunk(following, end - begin, big_endian=big_endian)
    return end + (padding or 0)


def _samples_end(
    file: BinaryIO, chunk: wav.ChunkHeader, begin: int, size: int, found: _Chunks, *, big_endian: bool
) -> int:
    """Return where the samples end: not where their size says so if neither another chunk nor the end is there."""
    n_bytes = found.large_bytes if found.large_bytes and chunk.size >= wav.UNKNOWN_SIZE else chunk.data_bytes
    found.is_honest &= n_bytes is not None and not found.samples
    if n_bytes is not None and begin + n_bytes + 1 >= size:
        found.is_honest &= begin + n_bytes <= size
        return size if begin + n_bytes > size else begin + n_bytes
    if n_bytes is not None:
        file.seek(begin + n_bytes)
        following = file.read(_FOLLOWING_BYTES)
        if wav.next_chunk(following, n_bytes, big_endian=big_endian) is not None or begins_recording(following):
            return begin + n_bytes
    found.is_honest = False
    return next_recording(Media.WAV, file, begin + (n_bytes or 0), size)


def _as_fed(found: _Chunks, wav_format: wav.WavFormat, whole: range) -> WavFile:
    if wav_format.sample_format is None and found.is_honest:
        return WavFile(Media.WAV, (whole,), whole.stop)
    samples = [piece[: len(piece) - len(piece) % wav_format.frame_bytes] for piece in found.samples]
    if (header := au_header(wav_format)) is not None:
        return WavFile(Media.AU, (header, *samples), whole.stop)
    return WavFile(Media.WAV, (wav.wav_header(wav_format, sum(map(len, samples))), *samples), whole.stop)
