"""Averages over the recent past. Pure; times are monotonic, in milliseconds."""

import math


class RecentMean:
    """Mean of values that come at irregular times, over about the last ``over_s`` seconds.

    ``most``: greatest weight of a single value; ``first``: the mean until one came.
    """

    def __init__(self, over_s: float, most: float, first: float) -> None:
        self._over_ms = over_s * 1000
        self._most = most
        self._at_ms = -math.inf
        self.value = first

    def add(self, value: float, now_ms: float) -> None:
        """Add a value."""
        weight = min(self._most, 1 - math.exp((self._at_ms - now_ms) / self._over_ms))
        self.set(self.value + weight * (value - self.value), now_ms)

    def set(self, value: float, now_ms: float) -> None:
        """Replace the mean."""
        self.value, self._at_ms = value, now_ms

    def faded(self, now_ms: float) -> float:
        """Return the mean, the nearer to 0 the longer no value came."""
        return self.value * math.exp((self._at_ms - now_ms) / self._over_ms) if self.value else 0.0


class RecentSum:
    """Sum of values, of which each counts the less the older it is: about those of the last ``over_s`` seconds."""

    def __init__(self, over_s: float) -> None:
        self._over_ms = over_s * 1000
        self._sum = 0.0
        self._at_ms = 0.0

    def add(self, value: float, now_ms: float) -> None:
        """Add a value."""
        self._sum, self._at_ms = self.at(now_ms) + value, now_ms

    def at(self, now_ms: float) -> float:
        """Return the sum."""
        return self._sum * math.exp((self._at_ms - now_ms) / self._over_ms)


class ExpectedCount:
    """Number of members of a changing group that are active at a time, averaged over about ``over_s`` seconds.

    New members count as active until it shows how often they are.
    """

    def __init__(self, over_s: float) -> None:
        self._over_ms = over_s * 1000
        self._members = 0
        self._active = 0
        self._mean = 0.0
        self._at_ms = 0.0

    def set(self, members: int, active: int, now_ms: float) -> None:
        """Record how many members there are from now on, and how many of them are active."""
        mean = self.mean(now_ms)
        if members > self._members:
            mean += members - self._members
        elif members < self._members:
            mean *= members / self._members
        self._mean, self._members, self._active, self._at_ms = mean, members, active, now_ms

    def mean(self, now_ms: float) -> float:
        """Return the average."""
        return self._active + (self._mean - self._active) * math.exp((self._at_ms - now_ms) / self._over_ms)

    def usual_most(self, now_ms: float, least_share: float) -> float:
        """Return the average plus its standard deviation, and at least this share of the members."""
        mean = max(self.mean(now_ms), least_share * self._members)
        if not self._members:
            return mean
        # Members are active independently of each other.
        return mean + math.sqrt(max(0.0, mean * (1 - mean / self._members)))
