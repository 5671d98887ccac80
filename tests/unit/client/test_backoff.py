"""Delays between the client's attempts, and the end of its patience."""

import pytest

from stt_client.backoff import Backoff

pytestmark = pytest.mark.unit


def test_waits_double_up_to_5_s_and_are_never_longer_than_asked_for() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.lost(100.0, None, 120.0) for _ in range(7)]
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert Backoff(lambda: 0.0).lost(0.0, None, 120.0) == 0.125


def test_only_a_connection_that_held_5_s_ends_the_trouble() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.lost(0.0, None, 60.0), backoff.lost(10.0, 8.0, 60.0)] == [0.25, 0.5]
    assert backoff.lost(20.0, 14.9, 60.0) == 0.25
    # The patience begins with the trouble, not with the session.
    assert backoff.lost(79.9, None, 60.0) == pytest.approx(0.1), "the last attempt comes in time"
    assert backoff.lost(80.0, None, 60.0) is None


def test_what_the_server_says_comes_before_the_own_interval_but_not_before_the_patience() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.lost(0.0, None, 10.0, retry_after_s) for retry_after_s in (1.3, 0.6, None, 1.1)] == [
        1.3,
        0.6,
        1.0,
        1.1,
    ]
    assert backoff.lost(7.0, None, 10.0, 3600.0) == 3.0, "the last attempt comes in time"
    assert backoff.lost(10.0, None, 10.0, 1.0) is None


def test_many_attempts_do_no_harm() -> None:
    backoff = Backoff(lambda: 1.0)
    assert {backoff.lost(0.0, None, 120.0) for _ in range(5000)} == {0.25, 0.5, 1.0, 2.0, 4.0, 5.0}
