"""File names as they are shown."""

import pytest

from stt_gateway.core.requests.filenames import MAX_FILENAME_CHARS, display_filename

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
