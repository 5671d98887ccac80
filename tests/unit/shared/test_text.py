"""Texts joined into one, the same way in the services and in the client."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stt_client.text import join_texts as client_join_texts
from stt_shared.contracts.text import join_texts, spaces_before

pytestmark = pytest.mark.unit

# The page does the same: its tests, in tests/browser/unit, read these examples too.
_PARTS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data" / "text_parts.json").read_text())


@pytest.mark.parametrize("join", [join_texts, client_join_texts])
def test_texts_are_joined_as_their_script_asks(join: Callable[[list[str]], str]) -> None:
    assert join(["Ever tried.", "", "Ever failed."]) == "Ever tried. Ever failed."
    assert join(["今天下雨。", "我们用machine", "learning做"]) == "今天下雨。我们用machine learning做"
    assert join(["안녕하세요.", "세계"]) == "안녕하세요. 세계"
    assert join(["สวัสดีครับ", "วันนี้"]) == "สวัสดีครับ วันนี้"
    assert join([]) == ""


@pytest.mark.parametrize("example", _PARTS, ids=lambda example: example["text"])
def test_the_spaces_between_the_parts_of_a_text_are_read_from_it(example: dict[str, Any]) -> None:
    assert spaces_before(example["text"], example["parts"]) == example["spaces"]


def test_no_text_has_no_parts() -> None:
    assert spaces_before("", []) == []
