"""When a callback is tried again."""

import pytest

from stt_gateway.core.outbound.attempts import DELAYS_S, MAX_ATTEMPTS, SPREAD, delay_s, is_delivered, is_unwanted
from stt_shared.streams.keys import JOB_TTL_S

pytestmark = pytest.mark.unit


def test_pauses_grow_and_then_it_is_given_up() -> None:
    pauses = [delay_s(attempt, 4, lambda: 0.5) for attempt in range(1, 6)]
    assert pauses == [5.0, 30.0, 120.0, None, None]


def test_pauses_vary_so_that_receivers_are_not_met_by_all_at_once() -> None:
    assert delay_s(1, 4, lambda: 0.0) == pytest.approx(4.0)
    assert delay_s(1, 4, lambda: 1.0) == pytest.approx(6.0)


def test_all_attempts_end_while_the_job_can_be_read() -> None:
    pauses = [delay_s(attempt, MAX_ATTEMPTS, lambda: 1.0) or 0.0 for attempt in range(1, MAX_ATTEMPTS + 1)]
    assert len(DELAYS_S) < MAX_ATTEMPTS
    assert sum(pauses) < JOB_TTL_S
    assert sum(pauses) > SPREAD


@pytest.mark.parametrize(
    ("status", "delivered", "unwanted"),
    [(200, True, False), (204, True, False), (302, False, False), (410, False, True), (500, False, False)],
)
def test_only_success_is_a_delivery(status: int, delivered: bool, unwanted: bool) -> None:
    assert (is_delivered(status), is_unwanted(status)) == (delivered, unwanted)
