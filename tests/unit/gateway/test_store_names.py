"""Titles, names and texts as the transcript store keeps them."""

import pytest

from stt_gateway.store.names import checked_title, kept_name, kept_text
from stt_gateway.store.request import rename_request
from stt_shared.contracts.errors import SttError

pytestmark = pytest.mark.unit


def test_titles_hold_what_is_visible() -> None:
    assert rename_request(b'{"title": " a\\n\\tb\\u0000\\u202ec "}') == "a bc"
    assert checked_title("x" * 255) == "x" * 255
    with pytest.raises(SttError, match="256"):
        checked_title("x" * 256)
    assert checked_title("x" * 255 + "\x07") == "x" * 255


def test_names_and_texts_are_cut_and_cleaned() -> None:
    assert kept_name("é" * 10_000) == "é" * 255
    assert kept_name("../../etc/pass\x00wd") == "../../etc/passwd"
    assert kept_text("a\0b\ud800c") == "ab?c"
