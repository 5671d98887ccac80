"""Schedule of acks: news only, and not too often."""

import pytest

from stt_gateway.core.live.acknowledgement import ACK_EVERY_MS, Acknowledgement

pytestmark = pytest.mark.unit


def test_an_ack_is_due_when_the_position_has_moved() -> None:
    acks = Acknowledgement()
    assert not acks.is_due((0, 0), 1000)
    assert acks.is_due((1, 0), 1000)
    assert acks.is_due((0, 20), 1000)


def test_acks_keep_their_distance_and_are_repeated_until_sent() -> None:
    acks = Acknowledgement()
    assert acks.is_due((1, 0), 0)
    assert acks.is_due((1, 0), 10), "the first was not sent"
    acks.sent((1, 0), 10)
    assert not acks.is_due((2, 0), 10 + ACK_EVERY_MS - 1)
    assert acks.is_due((2, 0), 10 + ACK_EVERY_MS)
    assert not acks.is_due((1, 0), 10 + ACK_EVERY_MS)
