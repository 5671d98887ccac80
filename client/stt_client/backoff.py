"""Backoff between connection attempts, and the limit for giving up. Times are seconds of any one monotonic clock."""

from collections.abc import Callable

FIRST_S = 0.25
LONGEST_S = 5.0
STABLE_S = 5.0
"""Connection time after which the backoff starts again. A shorter connection does not reset it: a server that accepts
and drops connections at once would otherwise receive four attempts a second forever."""


class Backoff:
    """Connection attempts of one session.

    ``random`` returns a number from 0 to 1, so that clients do not all reconnect at once.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._attempts = 0
        self._since_s: float | None = None

    def lost(
        self, now_s: float, ready_s: float | None, patience_s: float, retry_after_s: float | None = None
    ) -> float | None:
        """Return the wait before the next attempt; None when the outage has lasted longer than ``patience_s``.

        ``ready_s``: time at which the lost connection was ready; None if it never was. ``retry_after_s``: wait that the
        server asked for, which knows how many clients wait and lets each return at a different time.
        """
        if ready_s is not None and now_s - ready_s >= STABLE_S:
            self._attempts, self._since_s = 0, None
        if self._since_s is None:
            self._since_s = now_s
        left_s = self._since_s + patience_s - now_s
        if left_s <= 0:
            return None
        longest_s = min(LONGEST_S, FIRST_S * (1 << self._attempts))
        # Limited, because a higher count would produce a number too large for a float.
        self._attempts = min(self._attempts + 1, 16)
        delay_s = longest_s * (0.5 + 0.5 * self._random()) if retry_after_s is None else retry_after_s
        return min(delay_s, left_s)
