"""Headers of WAV files, whole, in pieces and broken."""

import struct

import pytest

from stt_audio.codecs.pcm import SampleFormat
from stt_audio.codecs.wav import MAX_HEADER_BYTES, parse_wav_header
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def fmt(tag: int, bits: int, *, rate: int = 44100, channels: int = 2, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def wav(*chunks: bytes) -> bytes:
    return b"RIFF\xff\xff\xff\xffWAVE" + b"".join(chunks)


def extensible(tag: int, bits: int) -> bytes:
    more = struct.pack("<HHIH", 22, bits, 3, tag) + bytes.fromhex("000000001000800000aa00389b71")
    return fmt(0xFFFE, bits, more=more)


@pytest.mark.parametrize(
    ("head", "sample_format"),
    [
        (fmt(1, 8), SampleFormat.U8),
        (fmt(1, 16), SampleFormat.S16LE),
        (fmt(1, 24), SampleFormat.S24LE),
        (fmt(1, 32), SampleFormat.S32LE),
        (fmt(3, 32), SampleFormat.F32LE),
        (fmt(3, 64), SampleFormat.F64LE),
        (fmt(6, 8), SampleFormat.ALAW),
        (fmt(7, 8), SampleFormat.MULAW),
        (extensible(1, 24), SampleFormat.S24LE),
        (extensible(3, 32), SampleFormat.F32LE),
        (fmt(2, 4), None),
    ],
)
def test_wav_header(head: bytes, sample_format: SampleFormat | None) -> None:
    stream = wav(chunk(b"LIST", b"odd"), head, chunk(b"data", b"abcd"))
    header = parse_wav_header(stream)
    assert header is not None
    assert (header.sample_format, header.sample_rate, header.channels) == (sample_format, 44100, 2)
    assert stream[header.data_offset :] == b"abcd"
    assert header.data_bytes == 4


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_wav_of_unknown_length_goes_on_to_its_end(size: int) -> None:
    header = parse_wav_header(wav(fmt(1, 16), chunk(b"data", b"", size)))
    assert header is not None
    assert header.data_bytes is None


def test_a_wav_header_may_come_in_pieces() -> None:
    stream = wav(fmt(1, 16), chunk(b"LIST", bytes(100)), chunk(b"data", b""))
    assert all(parse_wav_header(stream[:length]) is None for length in range(len(stream)))
    assert parse_wav_header(stream) is not None


@pytest.mark.parametrize(
    "stream",
    [
        b"RIFF\x00\x00\x00\x00AVI " + bytes(40),
        wav(chunk(b"data", b"", 0)),
        wav(chunk(b"fmt ", b"short"), chunk(b"data", b"abcd")),
        wav(chunk(b"JUNK", b"", MAX_HEADER_BYTES)),
    ],
)
def test_broken_wav_headers_are_refused(stream: bytes) -> None:
    with pytest.raises(SttError) as refused:
        parse_wav_header(stream)
    assert refused.value.code == "bad_audio"
