#!/usr/bin/env python3
"""A day of a call centre on replicas that the chart's rule adds and removes, and on fixed ones: a simulation.

Calls arrive at random, at a rate that follows the day. Each takes a place at once, or its client retries until one is
free. The rule is that of ``deploy/helm/stt/templates/autoscaling.yaml`` as Kubernetes applies it
(HorizontalPodAutoscaler, autoscaling/v2): desired = ceil(ready replicas x load / target), no change within a tenth, at
most twice as many or four more in 30 s, and fewer only when five minutes' figures agree, by a quarter a minute. A
replica that goes hands its calls to others, which take them whether they have places or not.
"""

import argparse
import itertools
import math
import random
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from common import write_result

VALUES = Path(__file__).parents[1] / "deploy" / "helm" / "stt" / "values.yaml"
DAY_S = 24 * 3600
DAY_CURVE = (2, 1, 1, 1, 1, 3, 10, 30, 65, 95, 100, 90, 70, 75, 85, 90, 85, 70, 45, 30, 20, 12, 7, 4)
"""Calls per hour of the day, in percent of the busiest."""
MEDIAN_CALL_S = 180.0
CALL_SPREAD = 0.8
"""Sigma of the log-normal length of calls: mean 248 s, one in a hundred beyond 19 minutes."""
RUSH_S = range(14 * 3600, 14 * 3600 + 20 * 60)
"""Twenty minutes in which, on some days, something brings twice the calls, from one second to the next."""
METRICS_EVERY_S = 15
"""Prometheus reads that often, and KEDA asks Prometheus."""
TOLERANCE = 0.1
"""Share by which the load may differ from the target without a change: the default of Kubernetes."""


@dataclass(frozen=True)
class Rule:
    """The chart's rule for live sessions. ``start_up_s``: from the decision until a replica is ready."""

    min_replicas: int
    max_replicas: int
    target_load: float
    scale_down_after_s: int
    start_up_s: int


@dataclass
class Fleet:
    """Replicas that are ready, and those that start. ``due_s``: when each of these will be ready."""

    ready: int
    due_s: deque[int] = field(default_factory=deque)
    wanted: deque[tuple[int, int]] = field(default_factory=deque)
    """Replicas that were wanted at each look of the last minutes."""
    total: deque[tuple[float, int]] = field(default_factory=deque)
    """Size after each look of the last minute, and the one before it."""

    def __post_init__(self) -> None:
        self.total.append((-math.inf, self.ready))

    @property
    def size(self) -> int:
        """Replicas that cost something."""
        return self.ready + len(self.due_s)

    def look(self, rule: Rule, load: float, now_s: int) -> None:
        """Apply the rule to a load, the share of the ready replicas' places that is in use or wanted."""
        ratio = load / rule.target_load
        wanted = self.size if abs(ratio - 1) <= TOLERANCE else math.ceil(self.ready * ratio)
        # What starts counts for the future: HPA never takes back what is not ready while the load is above target.
        if ratio > 1:
            wanted = max(wanted, self.size)
        wanted = min(max(wanted, rule.min_replicas), rule.max_replicas)
        self.wanted.append((now_s, wanted))
        while self.wanted[0][0] <= now_s - rule.scale_down_after_s:
            self.wanted.popleft()
        if wanted > self.size:
            before = self._size_at(now_s - 30)
            allowed = max(2 * before, before + 4)
            for _ in range(min(wanted, allowed) - self.size):
                self.due_s.append(now_s + rule.start_up_s)
        else:
            stable = max(count for _, count in self.wanted)
            least = math.floor(self._size_at(now_s - 60) * 0.75)
            while self.size > max(stable, least, rule.min_replicas):
                if self.due_s:
                    self.due_s.pop()
                else:
                    self.ready -= 1
        self.total.append((now_s, self.size))
        while self.total[1][0] <= now_s - 60:
            self.total.popleft()

    def _size_at(self, at_s: int) -> int:
        return next(size for then_s, size in reversed(self.total) if then_s <= at_s)

    def start(self, now_s: int) -> None:
        """Count those that became ready."""
        while self.due_s and self.due_s[0] <= now_s:
            self.due_s.popleft()
            self.ready += 1


@dataclass(frozen=True)
class Day:
    """What a day was like. ``cost``: hours of replicas. ``most``: of replicas at a time."""

    calls: int
    at_once: float
    wait_p99_s: float
    longest_wait_s: float
    cost_hours: float
    most: int


def calls_of_a_day(per_hour: float, seed: int, *, has_rush: bool = False) -> list[tuple[int, int]]:
    """Return the second in which each call comes, and its length in seconds. ``per_hour``: in the busiest hour."""
    chance = random.Random(seed)
    calls: list[tuple[int, int]] = []
    at_s = 0.0
    while True:
        at_s += chance.expovariate(2 * per_hour / 3600)
        if at_s >= DAY_S:
            return calls
        # Thinned to the hour's share, between this hour's and the next one's.
        hour, part = divmod(at_s / 3600, 1)
        here, after = DAY_CURVE[int(hour)], DAY_CURVE[(int(hour) + 1) % 24]
        times = 2 if has_rush and int(at_s) in RUSH_S else 1
        if chance.random() * 200 < (here + (after - here) * part) * times:
            calls.append((int(at_s), max(5, round(chance.lognormvariate(math.log(MEDIAN_CALL_S), CALL_SPREAD)))))


def play(calls: list[tuple[int, int]], places: int, rule: Rule | None, fixed: int = 0) -> Day:
    """Play a day. ``places``: of one replica. Without a ``rule`` there are ``fixed`` replicas."""
    fleet = Fleet(fixed if rule is None else rule.min_replicas)
    ends = [0] * (DAY_S * 2)
    waiting: deque[tuple[int, int]] = deque()
    waits: list[int] = []
    speaking = cost_s = most = coming = 0
    for now_s in range(DAY_S):
        speaking -= ends[now_s]
        fleet.start(now_s)
        while coming < len(calls) and calls[coming][0] == now_s:
            waiting.append(calls[coming])
            coming += 1
        while waiting and speaking < fleet.ready * places:
            came_s, length_s = waiting.popleft()
            waits.append(now_s - came_s)
            speaking += 1
            ends[min(now_s + length_s, len(ends) - 1)] += 1
        if rule is not None and now_s % METRICS_EVERY_S == 0:
            fleet.look(rule, (speaking + len(waiting)) / (fleet.ready * places), now_s)
        cost_s += fleet.size
        most = max(most, fleet.size)
    waits += [DAY_S - came_s for came_s, _ in waiting]
    waits.sort()
    return Day(
        calls=len(waits),
        at_once=sum(wait_s == 0 for wait_s in waits) / len(waits),
        wait_p99_s=waits[len(waits) * 99 // 100],
        longest_wait_s=waits[-1],
        cost_hours=cost_s / 3600,
        most=most,
    )


def least_fixed(calls: list[tuple[int, int]], places: int, at_once: float) -> tuple[int, Day]:
    """Return the fewest fixed replicas that take that share of the calls at once, and their day."""
    least, most = 1, 1 + len(calls)
    while least < most:
        middle = (least + most) // 2
        if play(calls, places, None, middle).at_once >= at_once:
            most = middle
        else:
            least = middle + 1
    return least, play(calls, places, None, least)


def chart_rule(start_up_s: int) -> Rule:
    """Return the rule with the chart's own values, without its bound of replicas."""
    live = yaml.safe_load(VALUES.read_text())["autoscaling"]["live"]
    return Rule(live["minReplicas"], 10_000, live["targetLoad"], live["scaleDownAfterS"], start_up_s)


def main() -> None:
    """Play days and print what each was like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls-per-hour", type=float, default=2000, help="in the busiest hour (default: %(default)s)")
    parser.add_argument("--places", type=int, default=16, help="of one replica (default: %(default)s)")
    parser.add_argument("--start-up-s", type=int, nargs="+", default=[30, 60, 120, 240])
    parser.add_argument("--seeds", type=int, default=3, help="days of each kind (default: %(default)s)")
    parser.add_argument("--out", help="file for the result as JSON")
    options = parser.parse_args()
    rows: list[dict[str, object]] = []
    print("rush  start-up   calls  at once  p99 wait  longest  replica hours  most  of fixed for 95 %  for 99.9 %")
    for has_rush, seed in itertools.product((False, True), range(options.seeds)):
        calls = calls_of_a_day(options.calls_per_hour, seed, has_rush=has_rush)
        fixed = [least_fixed(calls, options.places, share)[1].cost_hours for share in (0.95, 0.999)]
        for start_up_s in options.start_up_s:
            day = play(calls, options.places, chart_rule(start_up_s))
            to_95, to_999 = (day.cost_hours / hours for hours in fixed)
            row = (
                f"{'yes' if has_rush else 'no':4}  {start_up_s:6} s  {day.calls:6}  {day.at_once:6.2%}",
                f"{day.wait_p99_s:6.0f} s  {day.longest_wait_s:5.0f} s  {day.cost_hours:11.0f} h  {day.most:4}",
                f"{to_95:15.0%}  {to_999:10.0%}",
            )
            print("  ".join(row))
            told = {"rush": has_rush, "start_up_s": start_up_s, "seed": seed}
            rows.append({**told, **asdict(day), "of_fixed_for_95_percent": to_95, "of_fixed_for_99_9_percent": to_999})
    settings = {"calls_per_hour": options.calls_per_hour, "places": options.places}
    write_result(options.out, "autoscaling", {"settings": settings, "days": rows})


if __name__ == "__main__":
    main()
