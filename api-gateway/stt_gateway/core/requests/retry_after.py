"""Retry times for refused clients: spread out, and at a rate that a gateway has time for."""

from collections.abc import Callable

MEAN_S = 1.0
"""Mean wait when few clients are refused: a place may be free by then, and a person still waits."""
RETURNS_PER_S = 50.0
"""Clients that may return per second. More would take a gateway's time from the sessions that it holds, and would not
get a place sooner: at this rate a place that becomes free is requested within 20 ms."""
LONGEST_MEAN_S = 6.0
"""Longest mean wait, however many clients are refused. The longest time returned is 9 s: less than clients wait for a
session to open, and neither a crowd nor one client that retries without a pause can make the others wait longer."""
SPREAD = (0.5, 1.5)
"""Range of the random wait, as fractions of the mean. Clients that are refused together and all wait for the same time
come back together, forever, and each then waits until all the others have been refused."""


def spread(mean_s: float, chance: float) -> float:
    """Return a time around ``mean_s``; ``chance`` is a random number from 0 to 1."""
    least, most = SPREAD
    return mean_s * (least + (most - least) * chance)


class RetryAfter:
    """Source of one gateway's retry times. ``random`` returns a number from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._booked_s = float("-inf")

    def next_s(self, now_s: float) -> float:
        """Return how many seconds one more refused client should wait. ``now_s``: time of any one monotonic clock."""
        # Each client books its own moment after those of the others: the more of them wait, the longer they wait.
        booked_s = max(self._booked_s + 1 / RETURNS_PER_S, now_s + MEAN_S)
        self._booked_s = min(booked_s, now_s + LONGEST_MEAN_S)
        return round(spread(self._booked_s - now_s, self._random()), 3)
