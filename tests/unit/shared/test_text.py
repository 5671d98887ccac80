"""Texts joined into one, the same way in the services and in the client."""

from collections.abc import Callable

import pytest

from stt_client.text import join_texts as client_join_texts
from stt_shared.contracts.text import join_texts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("join", [join_texts, client_join_texts])
def test_texts_are_joined_as_their_script_asks(join: Callable[[list[str]], str]) -> None:
    assert join(["Ever tried.", "", "Ever failed."]) == "Ever tried. Ever failed."
    assert join(["今天下雨。", "我们用machine", "learning做"]) == "今天下雨。我们用machine learning做"
    assert join(["안녕하세요.", "세계"]) == "안녕하세요. 세계"
    assert join(["สวัสดีครับ", "วันนี้"]) == "สวัสดีครับ วันนี้"
    assert join([]) == ""
