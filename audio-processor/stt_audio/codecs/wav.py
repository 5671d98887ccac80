"""Headers of WAV (RIFF, RIFX, RF64, BW64): where the samples are and what they are, also where the header is wrong.

Files and live streams are read by the rules of this module, so that both hear the same. FFmpeg needs two to three
seconds of a stream before it begins, and believes sizes that are wrong.
"""

import re
import struct
from dataclasses import dataclass

from stt_audio.codecs.pcm import MAX_CHANNELS, SampleFormat
from stt_shared.contracts.errors import SttError

MAX_HEADER_BYTES = 1 << 20
"""Most bytes before the format is known (cover pictures, for example) that are skipped in a stream."""
UNKNOWN_SIZE = 0xFFFF_FF00
"""Smallest size that counts as unknown: writers that do not know the length write this or more, or 0."""
RIFF_HEADER_BYTES, CHUNK_HEADER_BYTES = 12, 8

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_FORMATS = {
    (_PCM, 1): SampleFormat.U8,
    (_PCM, 2): SampleFormat.S16LE,
    (_PCM, 3): SampleFormat.S24LE,
    (_PCM, 4): SampleFormat.S32LE,
    (_FLOAT, 4): SampleFormat.F32LE,
    (_FLOAT, 8): SampleFormat.F64LE,
    (_ALAW, 1): SampleFormat.ALAW,
    (_MULAW, 1): SampleFormat.MULAW,
}
_CHUNK_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_ \-]{3}", re.DOTALL)
_MAX_CHUNK_BYTES = 64 << 20


@dataclass(frozen=True)
class WavFormat:
    """Format of the samples, by the ``fmt `` chunk whose content is ``body``.

    ``sample_format`` is None for a codec that only FFmpeg can decode (ADPCM, GSM). With ``big_endian`` (RIFX), the
    bytes of a sample are in the reverse order of ``sample_format``.
    """

    sample_format: SampleFormat | None
    sample_rate: int
    channels: int
    body: bytes
    big_endian: bool = False

    @property
    def frame_bytes(self) -> int:
        """Size of a sample of all channels; 1 for a codec that only FFmpeg can decode."""
        return 1 if self.sample_format is None else self.sample_format.bytes_per_sample * self.channels


@dataclass(frozen=True)
class WavHeader(WavFormat):
    """Format and place of the samples in a WAV stream.

    ``data_bytes`` is None when the writer did not know the length: the samples then continue until the stream ends.
    """

    data_offset: int = 0
    data_bytes: int | None = None


@dataclass(frozen=True)
class ChunkHeader:
    """Name and size of a chunk; its content follows."""

    name: bytes
    size: int

    @property
    def is_plausible(self) -> bool:
        """False for what are more likely samples, which follow where a size is too small."""
        is_name = _CHUNK_NAME.fullmatch(self.name) is not None
        return is_name and (self.name in (b"data", b"RIFF", b"RIFX") or self.size <= _MAX_CHUNK_BYTES)

    @property
    def data_bytes(self) -> int | None:
        """Size of a chunk of samples; None when it is unknown."""
        return None if self.size == 0 or self.size >= UNKNOWN_SIZE else self.size


def is_big_endian(head: bytes) -> bool:
    """Return whether a WAV stream begins with RIFX. Raises SttError when ``head`` is not the beginning of one."""
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        raise SttError("bad_audio", "the stream was announced as WAV but does not begin with a RIFF/WAVE header")
    return head[:4] == b"RIFX"


def chunk_header(data: bytes | bytearray, *, big_endian: bool) -> ChunkHeader:
    """Return the chunk header that ``data`` begins with; 8 bytes are needed."""
    return ChunkHeader(bytes(data[:4]), int.from_bytes(data[4:8], "big" if big_endian else "little"))


def next_chunk(data: bytes | bytearray, size: int, *, big_endian: bool) -> int | None:
    """Return the length of the padding between a chunk of ``size`` bytes and the next one; None when none follows.

    ``data`` (9 bytes) follows the chunk. Chunks of odd size have a byte of padding, which some writers forget.
    """
    for padding in (1, 0) if size % 2 else (0,):
        if chunk_header(data[padding : padding + 8], big_endian=big_endian).is_plausible:
            return padding
    return None


def large_data_bytes(ds64: bytes | bytearray) -> int:
    """Return the size of the samples by the content of a ``ds64`` chunk (RF64), for a size that is unknown."""
    return int.from_bytes(ds64[8:16], "little")


def parse_wav_header(head: bytes) -> WavHeader | None:
    """Find format and samples in the beginning of a stream; None when it does not reach far enough.

    Raises SttError for a broken header.
    """
    if len(head) < RIFF_HEADER_BYTES:
        return None
    big_endian = is_big_endian(head)
    offset, large_bytes = RIFF_HEADER_BYTES, 0
    wav_format: WavFormat | None = None
    samples: tuple[int, int | None] | None = None
    while len(head) >= offset + CHUNK_HEADER_BYTES:
        chunk = chunk_header(head[offset:], big_endian=big_endian)
        begin = offset + CHUNK_HEADER_BYTES
        end = begin + chunk.size
        if chunk.name == b"data" and samples is None:
            samples = begin, large_bytes if large_bytes and chunk.size >= UNKNOWN_SIZE else chunk.data_bytes
        elif chunk.name == b"fmt " and len(head) >= end:
            wav_format = parse_format(head[begin:end], big_endian=big_endian)
        elif chunk.name == b"ds64":
            large_bytes = large_data_bytes(head[begin:end])
        if samples is not None and wav_format is not None:
            return WavHeader(**vars(wav_format), data_offset=samples[0], data_bytes=samples[1])
        if end > MAX_HEADER_BYTES or (samples is not None and samples[1] is None):
            raise SttError("bad_audio", f"the WAV stream has no format within its first {MAX_HEADER_BYTES} bytes")
        if len(head) < end + (chunk.size % 2) * (CHUNK_HEADER_BYTES + 1):
            return None
        padding = next_chunk(head[end : end + 9], chunk.size, big_endian=big_endian)
        offset = end + (chunk.size % 2 if padding is None else padding)
    return None


def parse_format(body: bytes, *, big_endian: bool = False) -> WavFormat:
    """Read the content of a ``fmt `` chunk. Raises SttError when it is too short, or for channels out of bounds."""
    order = ">" if big_endian else "<"
    if len(body) < 16:
        raise SttError("bad_audio", "the 'fmt ' chunk of the WAV stream is too short")
    tag, channels, sample_rate, _, block_bytes, bits = struct.unpack_from(order + "HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from(order + "H", body, 24)
    if not 1 <= channels <= MAX_CHANNELS:
        raise SttError("unsupported_media", f"{channels} channels; allowed are 1 to {MAX_CHANNELS}")
    width = _sample_bytes(tag, bits, block_bytes / channels)
    return WavFormat(_FORMATS.get((tag, width)), sample_rate, channels, body, big_endian)


def _sample_bytes(tag: int, bits: int, block_bytes: float) -> int:
    """Return the bytes of one sample of one channel.

    Samples of 12, 20 or 24 bits may fill the upper part of a wider one, whose size only the block tells. Otherwise a
    block that contradicts the bits is wrong.
    """
    if tag in (_ALAW, _MULAW):
        return 1
    least = -(-bits // 8)
    if bits in (8, 16, 32, 64) and not (tag == _FLOAT and bits < 32):
        return least
    return int(block_bytes) if block_bytes in (1, 2, 3, 4, 8) and block_bytes >= least else least


def wav_header(wav_format: WavFormat, data_bytes: int | None) -> bytes:
    """Return the shortest header for samples of ``wav_format``, of which ``data_bytes`` follow (None: unknown).

    Its sizes are consistent, whatever the original ones were.
    """
    order = ">" if wav_format.big_endian else "<"
    body = wav_format.body if wav_format.sample_format is None else _format_body(wav_format, order)
    size = UNKNOWN_SIZE if data_bytes is None or data_bytes >= UNKNOWN_SIZE else data_bytes
    return (
        (b"RIFX" if wav_format.big_endian else b"RIFF")
        + struct.pack(order + "I", UNKNOWN_SIZE)
        + b"WAVEfmt "
        + struct.pack(order + "I", len(body))
        + body
        + bytes(len(body) % 2)
        + struct.pack(order + "4sI", b"data", size)
    )


def _format_body(wav_format: WavFormat, order: str) -> bytes:
    tag, width = next(key for key, value in _FORMATS.items() if value is wav_format.sample_format)
    rate, block_bytes = wav_format.sample_rate, width * wav_format.channels
    return struct.pack(
        order + "HHIIHH", tag, wav_format.channels, rate, min(rate * block_bytes, UNKNOWN_SIZE), block_bytes, 8 * width
    )
