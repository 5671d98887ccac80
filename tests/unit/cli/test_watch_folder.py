"""Which files of a watched folder are to be transcribed."""

import pytest

from stt_cli.http.formats import Format
from stt_cli.watch.folder import Seen, Settling, is_candidate, result_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", ["talk.mp3", "call.WAV", "a b.m4a", "noextension", "notes.doc"])
def test_a_file_of_any_kind_may_be_a_recording(name: str) -> None:
    assert is_candidate(name)


@pytest.mark.parametrize(
    "name", [".hidden.mp3", ".stt-watch.json", "talk.srt", "talk.mp3.TXT", "a.mp3.part", "b.crdownload", "c.tmp"]
)
def test_results_and_unfinished_files_are_none(name: str) -> None:
    assert not is_candidate(name)


def test_a_file_is_complete_when_it_has_stayed_as_it_is() -> None:
    settling = Settling(3.0)
    growing, whole = Seen(10, 1), Seen(20, 2)
    assert settling.settled({"a": growing}, 0.0) == []
    assert settling.settled({"a": whole}, 2.9) == []
    assert settling.settled({"a": whole}, 5.8) == []
    assert settling.settled({"a": whole}, 5.9) == ["a"]
    assert settling.settled({"a": Seen(20, 3)}, 9.0) == [], "it is written again"


def test_an_empty_file_is_never_complete_and_one_that_left_begins_from_the_start() -> None:
    settling = Settling(1.0)
    assert settling.settled({"a": Seen(0, 1), "b": Seen(1, 1)}, 0.0) == []
    assert settling.settled({"a": Seen(0, 1)}, 5.0) == []
    assert settling.settled({"b": Seen(1, 1)}, 6.0) == []
    assert settling.settled({"b": Seen(1, 1)}, 7.0) == ["b"]


def test_no_result_takes_the_name_of_another_file() -> None:
    assert result_name("talk.mp3", Format.SRT, {"other.srt"}) == "talk.srt"
    assert result_name("talk.wav", Format.SRT, {"talk.srt"}) == "talk.wav.srt"
