"""Titles, names and texts as the transcript store keeps them."""

import pytest

from stt_gateway.store.names import checked_name, kept_name, kept_text
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_names_hold_what_is_visible() -> None:
    assert checked_name(" a\n\tb\0\u202ec ", "title") == "a bc"
    assert checked_name("x" * 255 + "\x07", "title") == "x" * 255
    with pytest.raises(SttError, match="title is 256 characters long; at most 255"):
        checked_name("x" * 256, "title")
    with pytest.raises(SttError, match="the name is 9 characters long; at most 8"):
        checked_name("x" * 9, "the name", 8)


def test_names_and_texts_are_cut_and_cleaned() -> None:
    assert kept_name("é" * 10_000) == "é" * 255
    assert kept_name("../../etc/pass\x00wd") == "../../etc/passwd"
    assert kept_text("a\0b\ud800c") == "ab?c"
