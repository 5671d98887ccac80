"""Parser for the header of a WAV stream. FFmpeg needs two to three seconds of a stream before it begins."""

import struct
from dataclasses import dataclass

from stt_audio.codecs.pcm import SampleFormat
from stt_shared.contracts.errors import SttError

MAX_HEADER_BYTES = 1 << 20
"""Most bytes of chunks before the samples (cover pictures, for example) that are skipped."""

_UNKNOWN_SIZE = 0xFFFF_FF00
"""Smallest size that counts as unknown: writers that do not know the length write this or more."""
_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
_FORMATS = {
    (_PCM, 8): SampleFormat.U8,
    (_PCM, 16): SampleFormat.S16LE,
    (_PCM, 24): SampleFormat.S24LE,
    (_PCM, 32): SampleFormat.S32LE,
    (_FLOAT, 32): SampleFormat.F32LE,
    (_FLOAT, 64): SampleFormat.F64LE,
    (_ALAW, 8): SampleFormat.ALAW,
    (_MULAW, 8): SampleFormat.MULAW,
}


@dataclass(frozen=True)
class WavHeader:
    """Offset and format of the samples in a WAV stream.

    ``sample_format`` is None for a codec that only FFmpeg can decode (ADPCM, GSM). ``data_bytes`` is None when the
    writer did not know the length: the samples then continue until the stream ends.
    """

    sample_format: SampleFormat | None
    sample_rate: int
    channels: int
    data_offset: int
    data_bytes: int | None


def parse_wav_header(head: bytes) -> WavHeader | None:
    """Read the chunks up to ``data``; None when ``head`` ends before that. Raises SttError for a broken header."""
    if len(head) < 12:
        return None
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        raise SttError("bad_audio", "the stream was announced as WAV but does not begin with a RIFF/WAVE header")
    offset = 12
    body: bytes | None = None
    while len(head) >= offset + 8:
        name, size = head[offset : offset + 4], int.from_bytes(head[offset + 4 : offset + 8], "little")
        offset += 8
        if name == b"data":
            if body is None:
                raise SttError("bad_audio", "the WAV stream has no 'fmt ' chunk before its samples")
            return _header(body, offset, size)
        if offset + size > MAX_HEADER_BYTES:
            raise SttError("bad_audio", f"the WAV stream has no samples within its first {MAX_HEADER_BYTES} bytes")
        if name == b"fmt ":
            if len(head) < offset + size:
                return None
            body = head[offset : offset + size]
        offset += size + size % 2
    return None


def wav_header(header: WavHeader, data_bytes: int | None) -> bytes:
    """Return the shortest header for samples as in ``header``, of which ``data_bytes`` follow (None: unknown).

    ``header.sample_format`` must not be None.
    """
    tag, bits = next(key for key, sample_format in _FORMATS.items() if sample_format is header.sample_format)
    block_bytes = bits // 8 * header.channels
    size = _UNKNOWN_SIZE if data_bytes is None else data_bytes
    fmt = struct.pack(
        "<HHIIHH", tag, header.channels, header.sample_rate, header.sample_rate * block_bytes, block_bytes, bits
    )
    return (
        b"RIFF"
        + struct.pack("<I", _UNKNOWN_SIZE)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + struct.pack("<4sI", b"data", size)
    )


def _header(body: bytes, data_offset: int, data_size: int) -> WavHeader:
    if len(body) < 16:
        raise SttError("bad_audio", "the 'fmt ' chunk of the WAV stream is too short")
    tag, channels, sample_rate, _, block_bytes, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    # Samples of 12 or 20 bits fill the upper part of 16 or 24 bits, so the width of the container is used.
    bits = 8 * block_bytes // channels if tag == _PCM and channels else bits
    unknown = data_size == 0 or data_size >= _UNKNOWN_SIZE
    return WavHeader(_FORMATS.get((tag, bits)), sample_rate, channels, data_offset, None if unknown else data_size)
