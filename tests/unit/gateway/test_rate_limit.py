"""The rate at which a client may send audio."""

import pytest

from stt_gateway.core.live.rate_limit import RateLimit, message_cost_s

pytestmark = pytest.mark.unit


def test_a_client_in_real_time_never_waits() -> None:
    pace = RateLimit(2.0, 5.0)
    assert all(pace.spend(0.02, at * 20.0) == 0 for at in range(10_000))


def test_so_much_may_come_at_once_and_then_twice_real_time() -> None:
    pace = RateLimit(2.0, 5.0)
    now_ms, sent_s = 0.0, 0.0
    while sent_s < 25:
        now_ms += 1000 * pace.spend(0.1, now_ms)
        sent_s += 0.1
    assert now_ms / 1000 == pytest.approx((25 - 5) / 2, abs=0.1)


def test_small_messages_count_too() -> None:
    pace = RateLimit(2.0, 1.0)
    now_ms = 0.0
    for _ in range(5000):
        now_ms += 1000 * pace.spend(message_cost_s(0.0), now_ms)
    assert now_ms / 1000 == pytest.approx((5000 * 0.004 - 1) / 2, rel=0.05)


def test_a_pause_gives_back_no_more_than_the_burst() -> None:
    pace = RateLimit(2.0, 1.0)
    pace.spend(1.0, 0.0)
    assert pace.spend(1.0, 3_600_000.0) == 0
    assert pace.spend(1.0, 3_600_000.0) == pytest.approx(0.5)
