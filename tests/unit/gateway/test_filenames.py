"""File names as clients write them, and as they are shown."""

import pytest

from stt_gateway.core.requests.filenames import (
    MAX_FILENAME_CHARS,
    display_filename,
    disposition_parameters,
    filename_of,
)
from stt_gateway.store.names import kept_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("talk.mp3", "talk.mp3"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\talk.mp3", "talk.mp3"),
        ("a/b\\c", "c"),
        ("..", ".."),
        ("folder/", ""),
        ("", ""),
        ("a\x00b\r\nc\x1b[31m.mp3", "abc[31m.mp3"),
        ("\u202egpj.exe\u200b", "gpj.exe"),
        ("  talk.mp3  ", "talk.mp3"),
        ("Grüße 快 \U0001f3a4.mp3", "Grüße 快 \U0001f3a4.mp3"),
        ("\ud800x", "x"),
    ],
)
def test_names_are_fit_to_be_shown(given: str, shown: str) -> None:
    assert display_filename(given) == shown


def test_long_names_are_cut() -> None:
    assert display_filename("n" * 10_000) == "n" * MAX_FILENAME_CHARS
    assert len(display_filename("\U0001f3a4" * 10_000)) == MAX_FILENAME_CHARS


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        # .NET, PowerShell
        (b"filename=talk.wav; filename*=utf-8''talk.wav", "talk.wav"),
        (b"filename==?utf-8?B?Z3LDvMOfZS53YXY=?=", "grüße.wav"),
        (b'filename="=?utf-8?B?Z3LDvMOfZS53YXY=?="', "grüße.wav"),
        (b'filename="=?UTF-8?Q?gr=C3=BC=C3=9Fe.wav?="', "grüße.wav"),
        (b'filename="=?iso-8859-1?q?gr=FC=DFe?= =?utf-8?B?LndhdiDwn46k?="', "grüße.wav \U0001f3a4"),
        # RFC 5987
        (b"filename*=iso-8859-1'de'gr%FC%DFe.wav", "grüße.wav"),
        (b"filename*=UTF-8''%e5%bf%ab%20talk.wav; filename=fallback.wav", "快 talk.wav"),
        (b"filename=\"a.wav\"; FILENAME*=utf-8''b.wav", "b.wav"),
        (b"filename*=utf-8''..%2F..%5Cetc%2Fpasswd", "passwd"),
        (b"filename*=utf-8''a%00%0Ab.wav", "ab.wav"),
        # broken ones fall back to the plain name
        (b"filename*=utf-8''gr%FC; filename=fallback.wav", "fallback.wav"),
        (b"filename*=no-such-charset''gr%FC; filename=fallback.wav", "fallback.wav"),
        (b"filename*=a.wav; filename=fallback.wav", "fallback.wav"),
        (b"filename*=base64''%59Q; filename=fallback.wav", "fallback.wav"),
        (b'filename="=?no-such?B?YQ==?="', "=?no-such?B?YQ==?="),
        (b'filename="=?utf-8?B?Y?="', "=?utf-8?B?Y?="),
        # browsers, aiohttp, curl
        (b'filename="say %22hi%22.wav"', 'say "hi".wav'),
        (b'filename="gr%C3%BC%C3%9Fe.wav"', "grüße.wav"),
        (b'filename="two%0D%0Alines.wav"', "twolines.wav"),
        (b'filename="say \\"hi\\".wav"', 'say "hi".wav'),
        (b'filename="semi; colon=1.wav"', "semi; colon=1.wav"),
        ('filename="grüße 快.wav"'.encode(), "grüße 快.wav"),
        (b'filename="gr\xfc\xdfe \x80.wav"', "grüße \u20ac.wav"),
        # a percent sign that means itself
        (b'filename="100% sure.wav"', "100% sure.wav"),
        (b'filename="50%-70%20.wav"', "50%-70%20.wav"),
        (b'filename="100%FFree.wav"', "100%FFree.wav"),
        # none
        (b"", ""),
        (b'filename=""', ""),
        (b"filename*=utf-8''", ""),
    ],
)
def test_a_name_is_read_in_every_form(written: bytes, shown: str) -> None:
    assert filename_of(disposition_parameters(b'form-data; name="file"; ' + written)) == shown


@pytest.mark.parametrize(
    "given", ["two  spaces.mp3", "n" * 254 + " .mp3", "a\u00a0\u3000b\u2028c.mp3", " \ud800\u200d x "]
)
def test_the_store_keeps_names_as_they_are_shown(given: str) -> None:
    shown = display_filename(given)
    assert kept_name(shown) == shown
