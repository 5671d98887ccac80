"""Arguments of `connect`."""

import pytest

from stt_client import connect

pytestmark = pytest.mark.unit


def test_a_buffer_that_is_shorter_than_an_utterance_is_refused() -> None:
    with pytest.raises(ValueError, match="buffer_s=30 is not allowed; it must be at least 60"):
        connect("ws://a", buffer_s=30)
