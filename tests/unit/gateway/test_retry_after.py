"""Delays after which refused clients should come again."""

import heapq
import random
from collections.abc import Callable

import pytest

from stt_gateway.core.requests.retry_after import LONGEST_MEAN_S, MEAN_S, RETURNS_PER_S, SPREAD, RetryAfter, spread

pytestmark = pytest.mark.unit

CLIENTS = 140
LATEST_S = LONGEST_MEAN_S * SPREAD[1]


def times(seed: int = 1) -> RetryAfter:
    return RetryAfter(random.Random(seed).random)


def knocks(wait_s: Callable[[float], float], clients: int, until_s: float) -> list[float]:
    """When clients knock that all come at 0 and are refused each time; ``wait_s``: the delay that each is given."""
    due = [0.0] * clients
    came = []
    while due[0] < until_s:
        now_s = due[0]
        came.append(now_s)
        heapq.heapreplace(due, now_s + wait_s(now_s))
    return came


def most_within(window_s: float, came: list[float]) -> int:
    first, most = 0, 0
    for last, at_s in enumerate(came):
        while came[first] < at_s - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_chance_decides_around_the_mean() -> None:
    assert [spread(2.0, chance) for chance in (0.0, 0.5, 1.0)] == [1.0, 2.0, 3.0]


def test_two_that_are_refused_together_are_told_different_times_around_a_second() -> None:
    given = [times(seed).next_s(100.0) for seed in range(1000)]
    assert MEAN_S * SPREAD[0] <= min(given) < 0.51
    assert 1.49 < max(given) <= MEAN_S * SPREAD[1]
    assert sum(given) / len(given) == pytest.approx(MEAN_S, rel=0.05)
    run_together = times()
    assert run_together.next_s(100.0) != run_together.next_s(100.0)


def test_one_that_knocks_alone_waits_no_longer_the_tenth_time() -> None:
    alone = RetryAfter(lambda: 0.5)
    assert [alone.next_s(float(at_s)) for at_s in range(0, 20, 2)] == [MEAN_S] * 10


def test_the_more_are_refused_the_longer_they_are_sent_away_but_not_for_ever() -> None:
    crowd = RetryAfter(lambda: 0.5)
    given = [crowd.next_s(0.0) for _ in range(CLIENTS)]
    assert given[0] == MEAN_S
    assert given[-1] == pytest.approx(MEAN_S + (CLIENTS - 1) / RETURNS_PER_S)
    assert [crowd.next_s(0.0) for _ in range(100_000)][-1] == LONGEST_MEAN_S
    assert crowd.next_s(LONGEST_MEAN_S) == MEAN_S, "when all their times are over it is as at the beginning"
    latest = RetryAfter(lambda: 1.0)
    assert max(latest.next_s(0.0) for _ in range(100_000)) == LATEST_S


def test_a_crowd_in_step_stays_in_step_with_a_fixed_wait_and_not_with_this_one() -> None:
    fixed = knocks(lambda _: 1.0, CLIENTS, 60.0)
    assert most_within(0.01, fixed[-20 * CLIENTS :]) == CLIENTS
    came = [at_s for at_s in knocks(times().next_s, CLIENTS, 60.0) if at_s > 5.0]
    assert most_within(0.01, came) <= 10
    assert len(came) / 55.0 == pytest.approx(RETURNS_PER_S, rel=0.1)


def test_chance_alone_parts_them_but_lets_more_come_than_a_gateway_has_time_for() -> None:
    chance = random.Random(1)
    came = [at_s for at_s in knocks(lambda _: spread(MEAN_S, chance.random()), CLIENTS, 60.0) if at_s > 5.0]
    assert most_within(0.01, came) < CLIENTS / 4
    assert len(came) / 55.0 > 2 * RETURNS_PER_S


def test_a_few_come_about_once_a_second() -> None:
    assert len(knocks(times().next_s, 10, 60.0)) == pytest.approx(600, rel=0.1)


def test_one_that_knocks_without_a_pause_cannot_send_the_others_away_for_long() -> None:
    at = times()
    for now_ms in range(10_000):
        at.next_s(now_ms / 1000)
    assert at.next_s(10.0) <= LATEST_S
    assert at.next_s(10.0 + LONGEST_MEAN_S) <= MEAN_S * SPREAD[1]
