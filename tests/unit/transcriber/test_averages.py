"""Averages over the recent past."""

import pytest

from stt_transcriber.core.schedule.averages import ExpectedCount, RecentMean, RecentSum

pytestmark = pytest.mark.unit


def test_a_mean_follows_many_values_within_its_time_and_a_single_one_little() -> None:
    mean = RecentMean(3, 0.3, 100.0)
    mean.add(400, 0)
    assert mean.value == pytest.approx(190), "the greatest weight of one value"
    for step in range(1, 101):
        mean.add(200, step * 100)
    assert mean.value == pytest.approx(200, rel=0.02)


def test_a_mean_does_not_depend_on_how_often_values_come() -> None:
    means = []
    for count in (10, 100):
        mean = RecentMean(3, 0.3, 0.0)
        mean.set(0.0, 0)
        for step in range(1, count + 1):
            mean.add(100, step * 3000 / count)
        means.append(mean.value)
    assert means[0] == pytest.approx(means[1], rel=0.01) == pytest.approx(63, rel=0.01)


def test_a_faded_mean_is_nothing_after_a_while() -> None:
    mean = RecentMean(10, 1.0, 0.0)
    mean.add(1000, 0)
    assert mean.faded(0) == 1000
    assert mean.faded(60_000) < 3


def test_a_sum_forgets() -> None:
    total = RecentSum(5)
    total.add(10, 0)
    assert total.at(0) == 10
    assert total.at(5000) == pytest.approx(10 / 2.718, rel=0.01)


def test_members_count_as_active_until_it_shows_that_they_are_not() -> None:
    count = ExpectedCount(30)
    count.set(10, 0, 0)
    assert count.mean(0) == 10
    assert count.mean(30_000) == pytest.approx(10 / 2.718, rel=0.01)
    assert count.mean(300_000) < 0.01
    count.set(11, 0, 300_000)
    assert count.mean(300_000) == pytest.approx(1, abs=0.01), "only the new one is unknown"


def test_members_that_leave_take_their_part_along() -> None:
    count = ExpectedCount(30)
    count.set(10, 10, 0)
    count.set(5, 5, 1000)
    assert count.mean(1000) == pytest.approx(5)
    count.set(0, 0, 2000)
    assert count.mean(2000) == 0


def test_members_that_are_sometimes_active_need_a_margin() -> None:
    count = ExpectedCount(30)
    count.set(100, 20, 0)
    assert count.usual_most(300_000, 0.1) == pytest.approx(20 + 4, rel=0.01)
    assert count.usual_most(300_000, 0.5) == pytest.approx(50 + 5, rel=0.01), "at least the given share"
    count.set(100, 100, 300_000)
    assert count.usual_most(900_000, 0.1) == pytest.approx(100, rel=0.001), "all of them are not exceeded"
