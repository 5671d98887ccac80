"""Word error rates, and the packages that they need."""

import sys

import pytest

from stt_cli.bench import packages
from stt_cli.errors import CliError

pytestmark = pytest.mark.unit


def test_texts_are_compared_without_case_and_punctuation() -> None:
    english, other = packages.normaliser("en"), packages.normaliser("de")
    assert english("It's COLOUR, Mr. Smith!") == "it is color mister smith"
    assert other("Größe, bitte!").split() == ["größe", "bitte"]
    assert packages.word_error_rate(["one two", ""], ["one", "nothing"]) == 0.5
    assert packages.word_error_rate([""], ["one"]) is None


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(CliError, match=r"jiwer is not installed .*; run: \S+ -m pip install .*'jiwer>=4.0'"):
        packages.need_extra()
