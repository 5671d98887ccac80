"""A session that waits for room is let go when nothing moves, and never because it is slow."""

import pytest

from stt_gateway.core.live.stall import UNMOVED_MS, UNSERVED_MS, StallWatch

pytestmark = pytest.mark.unit

HERE, FURTHER = [b"10", b"7"], [b"11", b"7"]


def blocked_at(now_ms: float) -> StallWatch:
    watch = StallWatch()
    watch.block(now_ms)
    return watch


def test_a_session_with_live_workers_has_a_minute() -> None:
    watch = blocked_at(1000.0)
    assert not watch.is_stalled(HERE, True, 1000.0)
    assert not watch.is_stalled(HERE, True, 999.0 + UNMOVED_MS)
    assert watch.is_stalled(HERE, True, 1000.0 + UNMOVED_MS)


def test_a_session_without_a_worker_has_ten_seconds() -> None:
    watch = blocked_at(1000.0)
    assert not watch.is_stalled(HERE, False, 1000.0)
    assert not watch.is_stalled(HERE, False, 999.0 + UNSERVED_MS)
    assert watch.is_stalled(HERE, False, 1000.0 + UNSERVED_MS)


def test_a_takeover_starts_the_clock_again() -> None:
    watch = blocked_at(0.0)
    assert not watch.is_stalled(HERE, False, UNSERVED_MS - 1)
    assert not watch.is_stalled(HERE, True, UNSERVED_MS)
    assert not watch.is_stalled(HERE, False, 2 * UNSERVED_MS - 1)
    assert watch.is_stalled(HERE, False, 2 * UNSERVED_MS)


def test_a_session_that_moves_is_not_stalled() -> None:
    watch = blocked_at(0.0)
    for turn in range(10):
        progress = [b"%d" % turn, b"7"]
        assert not watch.is_stalled(progress, False, turn * UNMOVED_MS)


def test_time_before_the_log_was_full_does_not_count() -> None:
    watch = blocked_at(0.0)
    assert not watch.is_stalled(HERE, False, 1.0)
    watch.unblock()
    assert not watch.is_blocked
    watch.block(10 * UNMOVED_MS)
    watch.block(10 * UNMOVED_MS + 1)
    assert watch.is_blocked
    assert not watch.is_stalled(HERE, False, 10 * UNMOVED_MS + UNSERVED_MS - 1)
    assert not watch.is_stalled(FURTHER, False, 10 * UNMOVED_MS + UNSERVED_MS)
