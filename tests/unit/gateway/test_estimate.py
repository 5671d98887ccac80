"""An estimate that is steady, never below a second, and silent while nothing is known."""

import itertools
import random

import pytest

from stt_gateway.core.operation.estimate import seconds_left

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("progress", "elapsed_s", "expected"),
    [
        (0.0, 100.0, None),
        (1.0, 100.0, None),
        (50.0, 1.0, None),
        (100.0, 60.0, None),
        (50.0, -3600.0, None),
        (50.0, 5.0, 5),
        (99.9, 3.0, 1),
        (50.0, 41.0, 45),
        (10.0, 20.0, 180),
        (10.0, 100.0, 900),
        (10.0, 1000.0, 9000),
    ],
)
def test_what_is_left_by_the_rate_so_far(progress: float, elapsed_s: float, expected: int | None) -> None:
    assert seconds_left(progress, elapsed_s) == expected


def test_at_a_wavering_rate_it_falls_steadily() -> None:
    rng = random.Random(4)
    estimates = []
    for percent in range(2, 100):
        # 1800 s in all, each moment up to 2 % off.
        estimates.append(seconds_left(percent, 18.0 * percent * rng.uniform(0.99, 1.01)))
    values = [value for value in estimates if value is not None]
    assert len(values) == len(estimates)
    assert all(later - earlier <= 60 for earlier, later in itertools.pairwise(values))
    assert min(values) >= 1
