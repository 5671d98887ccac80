"""Headers of WAV files, whole, in pieces and broken."""

import struct

import pytest

from stt_audio.codecs.pcm import SampleFormat
from stt_audio.codecs.wav import MAX_HEADER_BYTES, next_chunk, parse_format, parse_wav_header, wav_header
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


def test_a_header_is_written_for_any_rate_that_one_claims() -> None:
    found = parse_wav_header(
        wav(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 8, 0xFFFF_FFFF, 0, 16, 16)), chunk(b"data", b""))
    )
    assert found is not None
    again = parse_wav_header(wav_header(found, 16))
    assert again is not None
    assert again.sample_rate == found.sample_rate


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


@pytest.mark.parametrize(
    ("bits", "block_bytes", "sample_format"),
    [
        (12, 2, SampleFormat.S16LE),
        (20, 3, SampleFormat.S24LE),
        (24, 4, SampleFormat.S32LE),
        (16, 4, SampleFormat.S16LE),
        (16, 0, SampleFormat.S16LE),
        (8, 2, SampleFormat.U8),
        (32, 2, SampleFormat.S32LE),
    ],
)
def test_the_size_of_a_sample_is_the_one_that_makes_sense(
    bits: int, block_bytes: int, sample_format: SampleFormat
) -> None:
    body = struct.pack("<HHIIHH", 1, 1, 16000, 16000 * block_bytes, block_bytes, bits)
    assert parse_format(body).sample_format is sample_format


def test_the_format_may_follow_the_samples() -> None:
    stream = wav(chunk(b"data", b"abcd"), fmt(1, 16))
    header = parse_wav_header(stream)
    assert header is not None
    assert (header.data_offset, header.data_bytes, header.channels) == (20, 4, 2)


def test_rf64_states_its_size_elsewhere() -> None:
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 5_000_000_000, 0, 0))
    header = parse_wav_header(b"RF64" + wav(ds64, fmt(1, 16), chunk(b"data", b"", 0xFFFFFFFF))[4:])
    assert header is not None
    assert header.data_bytes == 5_000_000_000


@pytest.mark.parametrize(
    ("following", "size", "padding"),
    [
        (b"LIST\4\0\0\0I", 4, 0),
        (b"\0LIST\4\0\0\0", 5, 1),
        (b"LIST\4\0\0\0I", 5, 0),
        (b"\x12\x00\xf3\xff\x08\x00\x11\x00\x01", 4, None),
        (b"LIST\xff\xff\xff\x7fI", 4, None),
        (b"", 4, None),
    ],
)
def test_samples_are_told_from_chunks(following: bytes, size: int, padding: int | None) -> None:
    assert next_chunk(following, size, big_endian=False) == padding


@pytest.mark.parametrize("channels", [0, 9, 65535])
def test_channels_out_of_bounds_are_refused(channels: int) -> None:
    body = struct.pack("<HHIIHH", 1, channels, 16000, 0, 0, 16)
    with pytest.raises(SttError, match="allowed are 1 to 8") as refused:
        parse_format(body)
    assert refused.value.code == "unsupported_media"


def test_a_header_is_written_for_any_rate() -> None:
    wav_format = parse_format(struct.pack("<HHIIHH", 1, 8, 0xFFFFFFFF, 0, 32, 32))
    header = parse_wav_header(wav_header(wav_format, None))
    assert header is not None
    assert header.sample_rate == 0xFFFFFFFF
