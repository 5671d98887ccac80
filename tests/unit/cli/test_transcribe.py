"""Names of results, and the time left, in words."""

from pathlib import Path

import pytest

from stt_cli.commands.transcribe import output_name, time_left
from stt_cli.http.formats import Format

pytestmark = pytest.mark.unit


def test_results_never_overwrite_each_other() -> None:
    files = [Path("x/talk.mp3"), Path("talk.wav"), Path("song.mp3")]
    assert [output_name(path, files, Format.SRT) for path in files] == ["talk.mp3.srt", "talk.wav.srt", "song.srt"]


@pytest.mark.parametrize(
    ("estimated_s", "shown"),
    [
        (None, ""),
        (1, "about 1 s left"),
        (75, "about 2 min left"),
        (3600, "about 1 h 00 min left"),
        (9000, "about 2 h 30 min left"),
    ],
)
def test_what_is_left_is_told_in_words(estimated_s: int | None, shown: str) -> None:
    assert time_left(estimated_s) == shown
