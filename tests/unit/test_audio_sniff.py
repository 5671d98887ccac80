"""What a stream is by its first bytes: each format of the list, and nothing else."""

import struct

import pytest

from stt_audio.codecs.pcm import SampleFormat
from stt_audio.codecs.sniff import Media, sniff
from stt_audio.codecs.wav import MAX_HEADER_BYTES, parse_wav_header
from stt_audio.live.decoder import expected_media
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding

pytestmark = pytest.mark.unit

HEADS = [
    (b"fLaC\x00\x00\x00\x22", Media.FLAC),
    (b"OggS\x00\x02", Media.OGG),
    (b"\x1a\x45\xdf\xa3\x9f", Media.MATROSKA),
    (b"ID3\x04\x00\x00", Media.MP3),
    (b"\xff\xfb\x90\x64\x00\x00", Media.MP3),
    (b"\xff\xf3\x64\xc4\x00\x00", Media.MP3),
    (b"\xff\xf1\x50\x80\x02\x1f\xfc", Media.AAC),
    (b"\xff\xf9\x4c\x80\x02\x1f\xfc", Media.AAC),
    (b"\x00\x00\x00\x1cftypisom", Media.MOV),
    (b"\x00\x00\x00\x68moof", Media.MOV),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", Media.WAV),
    (b"RF64\xff\xff\xff\xffWAVEds64", Media.WAV),
    (b"FORM\x00\x00\x00\x00AIFC", Media.AIFF),
    (b".snd\x00\x00\x00\x18", Media.AU),
    (b"#!AMR-WB\n", Media.AMR),
    (b"caff\x00\x01", Media.CAF),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", Media.ASF),
    (b"\x0b\x77\x00\x00\x14\x40", Media.AC3),
    (b"\x0b\x77\x00\x00\x3f\x80", Media.EAC3),
]
STRANGE = [
    b"",
    b"\xff",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n",
    b"ffconcat version 1.0\nfile /etc/passwd",
    b"RIFF\x24\x00\x00\x00AVI LIST",
    b"RIFF\x24\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00" * 16,
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1",
    b"<?xml version='1.0'?><MPD>",
]


@pytest.mark.parametrize(("head", "media"), HEADS)
def test_formats_of_the_list_are_known(head: bytes, media: Media) -> None:
    assert sniff(head) is media


@pytest.mark.parametrize("head", STRANGE)
def test_anything_else_is_not(head: bytes) -> None:
    assert sniff(head) is None
    with pytest.raises(SttError) as refused:
        expected_media(Encoding.AUTO, head)
    assert refused.value.code == "unsupported_media"


def test_formats_for_whole_files_only_are_refused_live() -> None:
    with pytest.raises(SttError, match="none of"):
        expected_media(Encoding.AUTO, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9")


@pytest.mark.parametrize("encoding", [Encoding.WEBM, Encoding.OGG, Encoding.FLAC, Encoding.WAV])
def test_a_recording_from_its_middle_is_refused_with_a_reason(encoding: Encoding) -> None:
    with pytest.raises(SttError, match="start the recorder anew") as refused:
        expected_media(encoding, b"\xa3\x42\x81\x81\x00\x00\x80" + bytes(9))
    assert refused.value.code == "bad_audio"


def test_aac_comes_bare_or_in_fragments() -> None:
    assert expected_media(Encoding.AAC, b"\x00\x00\x00\x1cftypiso5") is Media.MOV
    assert expected_media(Encoding.AAC, b"\x12\x34" * 8) is Media.AAC
    assert expected_media(Encoding.MP3, b"\x12\x34" * 8) is Media.MP3


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
        b"RIFX\x00\x00\x00\x00WAVE" + bytes(40),
        wav(chunk(b"data", b"abcd")),
        wav(chunk(b"fmt ", b"short"), chunk(b"data", b"abcd")),
        wav(chunk(b"JUNK", b"", MAX_HEADER_BYTES)),
    ],
)
def test_broken_wav_headers_are_refused(stream: bytes) -> None:
    with pytest.raises(SttError) as refused:
        parse_wav_header(stream)
    assert refused.value.code == "bad_audio"
