"""When those who are refused should come again: not all at once, and no more of them than a gateway has time for."""

from collections.abc import Callable

MEAN_S = 1.0
"""So long a few are sent away for: a place may be free by then, and a person still waits."""
RETURNS_PER_S = 50.0
"""So many may come again in a second. More would take a gateway's time from the sessions that it holds, and get no
place sooner: with so many, one that comes free is asked for within 20 ms."""
LONGEST_MEAN_S = 6.0
"""However many are refused. The latest is told 9 s: less than clients wait for a session to open, and no crowd, not one
client that knocks without a pause either, can have the others sent away for longer."""
SPREAD = (0.5, 1.5)
"""Parts of the mean between which chance decides. Clients that are refused together, all of which wait for the same
time, come back together, for ever, and each then waits for all the others to be refused."""


def spread(mean_s: float, chance: float) -> float:
    """``chance`` 0 to 1 -> a time around ``mean_s``."""
    least, most = SPREAD
    return mean_s * (least + (most - least) * chance)


class RetryAfter:
    """The times that one gateway gives out. ``random``: a number from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._booked_s = float("-inf")

    def next_s(self, now_s: float) -> float:
        """How many seconds one more who is refused now should wait. ``now_s``: of any one monotonic clock."""
        # Each books a moment of its own behind the others': the more are waiting, the longer they wait.
        booked_s = max(self._booked_s + 1 / RETURNS_PER_S, now_s + MEAN_S)
        self._booked_s = min(booked_s, now_s + LONGEST_MEAN_S)
        return round(spread(self._booked_s - now_s, self._random()), 3)
