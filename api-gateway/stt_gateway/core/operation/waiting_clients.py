"""Clients that were refused for want of workers and have been told when to return: what more replicas would serve."""

import bisect


class WaitingClients:
    """Count of clients that one gateway has told to return. Each of them has one time at which it is expected.

    A client that returns and is refused again gets another time, so nobody counts twice; one that stays away counts
    until its time has come.
    """

    def __init__(self) -> None:
        self._expected_s: list[float] = []

    def tell(self, now_s: float, retry_after_s: float) -> None:
        """Count a client that was asked to return after ``retry_after_s``. ``now_s``: time of a monotonic clock."""
        del self._expected_s[: bisect.bisect_right(self._expected_s, now_s)]
        bisect.insort(self._expected_s, now_s + retry_after_s)

    def count(self, now_s: float) -> int:
        """Return how many clients are expected. May be called in another thread."""
        expected_s = tuple(self._expected_s)
        return len(expected_s) - bisect.bisect_right(expected_s, now_s)
