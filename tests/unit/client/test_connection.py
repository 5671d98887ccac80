"""Messages as they are sent."""

import pytest

from stt_client.connection import encoded
from stt_client.replay import Chunk, Finalize, Stop

pytestmark = pytest.mark.unit


def test_messages() -> None:
    assert encoded(Chunk(258, 0, b"ab")) == b"\0\0\1\2ab"
    assert encoded(Finalize(1, 2)) == '{"type":"finalize"}'
    assert encoded(Stop(1, 2)) == '{"type":"stop"}'
