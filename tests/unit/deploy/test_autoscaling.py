"""The chart's rule for live transcribers, on a simulated day."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "benchmarks"))

from autoscaling import Fleet, Rule, calls_of_a_day, chart_rule, least_fixed, play  # noqa: E402

pytestmark = pytest.mark.unit

RULE = Rule(min_replicas=1, max_replicas=100, target_load=0.5, scale_down_after_s=300, start_up_s=60)
PLACES = 16


def test_a_day_of_calls_is_served_at_once_for_less_than_fixed_replicas_cost() -> None:
    calls = calls_of_a_day(2000, seed=0)
    fixed_hours = least_fixed(calls, PLACES, at_once=0.95)[1].cost_hours
    followed = play(calls, PLACES, chart_rule(start_up_s=120))
    assert followed.at_once >= 0.95
    assert followed.cost_hours <= 0.6 * fixed_hours
    late = play(calls, PLACES, chart_rule(start_up_s=1800))
    assert late.at_once < followed.at_once, "replicas that start late cost calls"


def test_a_fleet_grows_at_once_and_shrinks_when_five_minutes_agree() -> None:
    fleet = Fleet(2)
    fleet.look(RULE, 1.0, 0)
    assert (fleet.ready, fleet.size) == (2, 4)
    fleet.start(59)
    assert fleet.ready == 2
    fleet.start(60)
    assert fleet.ready == 4
    for now_s in range(75, 360, 15):
        fleet.look(RULE, 0.1, now_s)
        assert (fleet.size < 4) == (now_s >= 300), now_s
    assert fleet.size == 3, "a quarter a minute"


def test_a_fleet_grows_by_no_more_than_twice_or_four_in_half_a_minute() -> None:
    fleet = Fleet(1)
    fleet.look(RULE, 20.0, 0)
    assert fleet.size == 5
    fleet.look(RULE, 20.0, 15)
    assert fleet.size == 5
    fleet.look(RULE, 20.0, 30)
    assert fleet.size == 10


def test_a_load_near_its_target_changes_nothing() -> None:
    fleet = Fleet(10)
    for now_s, load in enumerate((0.54, 0.46, 0.5)):
        fleet.look(RULE, load, now_s * 15)
    assert fleet.size == 10
