"""Headers of AU: read in live streams, and written before samples that FFmpeg would misread after another header."""

import struct

from stt_audio.codecs.pcm import MAX_CHANNELS, MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, SampleFormat
from stt_audio.codecs.wav import MAX_HEADER_BYTES, WavFormat, WavHeader
from stt_shared.contracts.errors import SttError

MAGIC = b".snd"
_HEADER = struct.Struct(">4s5I")
HEADER_BYTES = _HEADER.size
_CODES = {
    SampleFormat.MULAW: 1,
    SampleFormat.S16LE: 3,
    SampleFormat.S24LE: 4,
    SampleFormat.S32LE: 5,
    SampleFormat.F32LE: 6,
    SampleFormat.F64LE: 7,
    SampleFormat.ALAW: 27,
}
_FORMATS = {code: sample_format for sample_format, code in _CODES.items()}


def au_header(wav_format: WavFormat) -> bytes | None:
    """Return an AU header for big-endian samples of ``wav_format``, which FFmpeg would read as little-endian from RIFX;
    None when their order of bytes does not matter."""
    code = None if wav_format.sample_format is None else _CODES.get(wav_format.sample_format)
    if not wav_format.big_endian or code is None or wav_format.frame_bytes == wav_format.channels:
        return None
    return _HEADER.pack(MAGIC, _HEADER.size, 0xFFFF_FFFF, code, wav_format.sample_rate, wav_format.channels)


def is_au_header(head: bytes) -> bool:
    """Return whether ``head`` begins with a header that can be decoded live, and cannot be samples."""
    if len(head) < HEADER_BYTES:
        return False
    magic, offset, _, code, sample_rate, channels = _HEADER.unpack_from(head)
    is_placed = magic == MAGIC and HEADER_BYTES <= offset <= MAX_HEADER_BYTES
    return (
        is_placed
        and code in _FORMATS
        and MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE
        and 0 < channels <= MAX_CHANNELS
    )


def parse_au_header(head: bytes) -> WavHeader | None:
    """Return what the samples are in a stream that begins with ``head``, and where; None when it ends too early.

    The length that it states is not believed: recorders do not know it when they begin.

    Raises SttError: bad_audio for a broken header, unsupported_media for a format that only FFmpeg can decode, or
    channels out of bounds.
    """
    if len(head) < _HEADER.size:
        return None
    _, offset, _, code, sample_rate, channels = _HEADER.unpack_from(head)
    if not _HEADER.size <= offset <= MAX_HEADER_BYTES:
        raise SttError("bad_audio", f"the AU stream states that its samples begin after {offset} bytes")
    sample_format = _FORMATS.get(code)
    if sample_format is None:
        raise SttError("unsupported_media", f"samples of AU's format {code} cannot be decoded live")
    if not 1 <= channels <= MAX_CHANNELS:
        raise SttError("unsupported_media", f"{channels} channels; allowed are 1 to {MAX_CHANNELS}")
    return WavHeader(sample_format, sample_rate, channels, b"", sample_format.bytes_per_sample > 1, data_offset=offset)
