"""Names of results, and the time left, in words."""

from pathlib import Path

import pytest

from stt_cli.commands.transcribe import output_name, targets, time_left
from stt_cli.errors import CliError
from stt_cli.http.formats import Format, format_of

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


def test_one_text_goes_into_the_file_that_is_named_and_several_into_a_folder(tmp_path: Path) -> None:
    one, two = Path("talk.mp3"), Path("song.mp3")
    assert targets(None, [one, two], Format.TXT) == [None, None]
    assert targets(tmp_path / "notes" / "out.srt", [one], Format.SRT) == [tmp_path / "notes" / "out.srt"]
    assert (tmp_path / "notes").is_dir()
    assert targets(tmp_path / "texts", [one, two], Format.SRT) == [
        tmp_path / "texts" / "talk.srt",
        tmp_path / "texts" / "song.srt",
    ]


def test_a_folder_with_a_dot_in_its_name_is_still_a_folder(tmp_path: Path) -> None:
    (tmp_path / "2026.12").mkdir()
    assert targets(tmp_path / "2026.12", [Path("talk.mp3")], Format.TXT) == [tmp_path / "2026.12" / "talk.txt"]


def test_several_texts_do_not_go_into_one_file(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"out\.srt is one file, and there are 2 recordings") as refused:
        targets(tmp_path / "out.srt", [Path("a.mp3"), Path("b.mp3")], Format.SRT)
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "format"),
    [
        (None, "txt"),
        ("talk.srt", "srt"),
        ("TALK.VTT", "vtt"),
        ("talk.md", "txt"),
        ("folder", "txt"),
        ("a.json", "json"),
    ],
)
def test_the_ending_of_the_output_says_the_format(output: str | None, format: str) -> None:
    assert format_of(Path(output) if output else None) == format
