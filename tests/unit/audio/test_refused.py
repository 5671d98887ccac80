"""What is no recording is refused by its name."""

import io
from pathlib import Path

import numpy as np
import pytest
from support.encoders import encoded

from stt_audio.codecs.parts import find_parts
from stt_audio.codecs.refused import refusal
from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit

REFUSED = {
    "a playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n",
    "a list of files": b"ffconcat version 1.0\nfile a.wav\n",
    "a manifest": b"<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>",
    "a session description": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n",
    "a MIDI file": b"MThd\0\0\0\6\0\1\0\2\1\xe0",
    "a ZIP archive": b"PK\x03\x04\x14\0\0\0\x08\0",
    "a PDF document": b"%PDF-1.7\n",
    "a JPEG picture": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "a HEIC or AVIF picture": b"\0\0\0\x24ftypheic",
    "an Audible book": b"\0\0\0\x20ftypaax ",
    "copy-protected (FairPlay)": b"\0\0\0\x20ftypM4P ",
    "a Monkey's Audio file": b"MAC \x96\x0f",
    "a RealMedia file": b".RMF\0\0\0\x12",
    "subtitles": b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n",
    "a web page": b"<!DOCTYPE html>\n<html>",
    "text": b"Dear all,\nthe recording is attached, as a file of its own.\nYours\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_what_was_found_and_what_is_allowed(name: str) -> None:
    with pytest.raises(SttError) as refused:
        find_parts(io.BytesIO(REFUSED[name] + bytes(500)))
    assert refused.value.code == "unsupported_media"
    assert name in refused.value.message
    assert "MPEG-TS" in refused.value.message


def encrypted_mp4(moov_first: bool) -> bytes:
    """The boxes of an MP4 whose audio is encrypted, with its index before or after its samples."""
    index = b"stsd\0\0\0\0\0\0\0\1\0\0\1\0enca....sinf....frmamp4a".ljust(400, b"\0")
    boxes = [(400 + 8).to_bytes(4, "big") + b"moov" + index, (3000 + 8).to_bytes(4, "big") + b"mdat" + bytes(3000)]
    return b"\0\0\0\x10ftypisom\0\0\2\0" + b"".join(boxes if moov_first else boxes[::-1])


@pytest.mark.parametrize("moov_first", [True, False])
def test_an_encrypted_mp4_is_refused_as_such(moov_first: bool) -> None:
    with pytest.raises(SttError, match="an encrypted stream") as refused:
        find_parts(io.BytesIO(encrypted_mp4(moov_first)))
    assert refused.value.code == "unsupported_media"


def test_protected_windows_media_is_refused_as_such() -> None:
    wma = encoded(np.zeros(8000, np.float32), "asf", "wmav2", 44100, bit_rate=64000)
    assert find_parts(io.BytesIO(wma))
    encryption = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    with pytest.raises(SttError, match="WMDRM"):
        find_parts(io.BytesIO(wma[:30] + encryption + wma[30:]))


def test_what_has_no_name_is_still_told_what_is_allowed() -> None:
    assert refusal(b"\x01\x02\x03\x04" * 8, "WAV, MP3") == "the data begins like none of: WAV, MP3"


def test_a_refused_file_is_not_handed_to_ffmpeg(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(REFUSED["a playlist"] + b"file:///etc/passwd\n")
    with pytest.raises(SttError, match="names other files"):
        FileDecoder(tmp_path / "upload", 16000)
