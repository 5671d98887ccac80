"""The format of a stream by its first bytes: each format of the list, and nothing else."""

import numpy as np
import pytest

from stt_audio.codecs.formats import Media
from stt_audio.codecs.sniff import MAX_JUNK_BYTES, Found, find_media, sniff, tag_bytes
from stt_audio.live.opening import expected_media
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.session import Encoding

pytestmark = pytest.mark.unit

TS_PACKET = b"G\x1f\xff\x10" + bytes(184)
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
    (b"RIFX\x00\x00\x00\x24WAVEfmt ", Media.WAV),
    (b"BW64\xff\xff\xff\xffWAVEds64", Media.WAV),
    (b"RIFF\x24\x00\x00\x00AVI LIST", Media.AVI),
    (b"RIFF\x24\x00\x00\x00QLCMfmt ", Media.QCP),
    (b"FLV\x01\x05\x00\x00\x00\x09", Media.FLV),
    (b"\x00\x00\x01\xba\x44\x00", Media.MPEGPS),
    (TS_PACKET * 5, Media.MPEGTS),
    ((bytes(4) + TS_PACKET) * 5, Media.MPEGTS),
    (b"wvpk\x00\x01", Media.WAVPACK),
    (b"TTA1\x01\x00", Media.TTA),
    (b"Creative Voice File\x1a\x1a\x00", Media.VOC),
    (b"\x7f\xfe\x80\x01\xfc\x3c\x3f\xf0", Media.DTS),
    (b"\xf0\x5e\x00\x00\xf8\x72\x6f\xba", Media.TRUEHD),
    (b"#!iLBC30\n", Media.ILBC),
    (b"\x02dss\x00", Media.DSS),
    (b"NIST_1A\n   1024\n", Media.NIST),
    (b"\x0b\x77\x00\x00\x14\x40", Media.AC3),
    (b"\x0b\x77\x00\x00\x3f\x80", Media.EAC3),
]


STRANGE = [
    b"",
    b"\xff",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n",
    b"ffconcat version 1.0\nfile /etc/passwd",
    b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    b"RIFF\x24\x00\x00\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x00" * 16,
    b"G" * 2000,
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1",
    b"<?xml version='1.0'?><MPD>",
]


MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)
NOISE = np.random.default_rng(3).bytes(90_000)


@pytest.mark.parametrize(("head", "media"), HEADS)
def test_formats_of_the_list_are_known(head: bytes, media: Media) -> None:
    assert sniff(head) is media


@pytest.mark.parametrize("head", STRANGE)
def test_anything_else_is_not(head: bytes) -> None:
    assert sniff(head) is None
    assert find_media(head, ended=True) == Found(None)


@pytest.mark.parametrize("encoding", [Encoding.WEBM, Encoding.OGG, Encoding.FLAC, Encoding.WAV])
def test_a_recording_from_its_middle_is_refused_with_a_reason(encoding: Encoding) -> None:
    with pytest.raises(SttError, match="start the recorder again") as refused:
        expected_media(encoding, b"\xa3\x42\x81\x81\x00\x00\x80" + bytes(9))
    assert refused.value.code == "bad_audio"


def test_aac_comes_bare_or_in_fragments() -> None:
    assert expected_media(Encoding.AAC, b"\x00\x00\x00\x1cftypiso5") is Media.MOV
    assert expected_media(Encoding.AAC, b"\x12\x34" * 8) is Media.AAC
    assert expected_media(Encoding.MP3, b"\x12\x34" * 8) is Media.MP3


@pytest.mark.parametrize("junk", [b"", bytes(777), b"1f40\r\n", MP3_FRAME[100:], NOISE[:5000]])
def test_frames_are_found_after_junk(junk: bytes) -> None:
    assert find_media(junk + 3 * MP3_FRAME, ended=True) == Found(Media.MP3, len(junk))


def test_a_single_frame_after_junk_is_no_recording() -> None:
    assert find_media(b"\x07" * 500 + MP3_FRAME + NOISE[:900], ended=True) == Found(None)


def test_more_is_needed_until_frames_follow_each_other() -> None:
    answers = [find_media((2 * MP3_FRAME)[:length], ended=False) for length in range(2 * len(MP3_FRAME))]
    first = len(MP3_FRAME) + 4
    assert answers[:first] == [None] * first
    assert set(answers[first:]) == {Found(Media.MP3)}


def test_the_search_ends() -> None:
    assert find_media(NOISE, ended=False) == Found(None)
    assert find_media(NOISE[: MAX_JUNK_BYTES - 1], ended=False) is None
    assert find_media(bytes(MAX_JUNK_BYTES) + b"OggS\0\2" + bytes(40), ended=False) == Found(None)


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(6), 138),
        (b"APETAGEX" + b"\xd0\x07\0\0" + b"\x20\0\0\0" + bytes(16), 64),
        (b"\xef\xbb\xbfRIFF\0\0\0\0WAVEfmt ", 3),
        (b"\xff\xfe\x90\x64" + bytes(28), 0),
        (b"", 0),
    ],
)
def test_tags_before_the_media_are_measured(head: bytes, length: int) -> None:
    assert tag_bytes(head) == length
