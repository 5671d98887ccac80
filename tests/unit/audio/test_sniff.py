"""The format of a stream by its first bytes: each format of the list, and nothing else."""

import pytest

from stt_audio.codecs.sniff import Media, sniff
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
    with pytest.raises(SttError, match="start the recorder again") as refused:
        expected_media(encoding, b"\xa3\x42\x81\x81\x00\x00\x80" + bytes(9))
    assert refused.value.code == "bad_audio"


def test_aac_comes_bare_or_in_fragments() -> None:
    assert expected_media(Encoding.AAC, b"\x00\x00\x00\x1cftypiso5") is Media.MOV
    assert expected_media(Encoding.AAC, b"\x12\x34" * 8) is Media.AAC
    assert expected_media(Encoding.MP3, b"\x12\x34" * 8) is Media.MP3
