"""When to connect again, and when to give up. Times in seconds of any one monotonic clock."""

from collections.abc import Callable

FIRST_S = 0.25
LONGEST_S = 5.0
STABLE_S = 5.0
"""A connection that held so long ends the trouble. A shorter one does not: a server that accepts and drops at once
would otherwise be asked four times a second for ever."""


class Backoff:
    """The attempts of one session. ``random``: a number from 0 to 1, so that clients do not return all at once."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._attempts = 0
        self._since_s: float | None = None

    def lost(
        self, now_s: float, ready_s: float | None, patience_s: float, retry_after_s: float | None = None
    ) -> float | None:
        """How long to wait before the next attempt; None when the trouble has lasted longer than ``patience_s``.

        ``ready_s``: since when the connection that was lost had been of use; None for one that never was.
        ``retry_after_s``: what the server said, which knows how many wait, and lets each come at another time.
        """
        if ready_s is not None and now_s - ready_s >= STABLE_S:
            self._attempts, self._since_s = 0, None
        if self._since_s is None:
            self._since_s = now_s
        left_s = self._since_s + patience_s - now_s
        if left_s <= 0:
            return None
        longest_s = min(LONGEST_S, FIRST_S * (1 << self._attempts))
        # Counting on would end in a number too large for a float.
        self._attempts = min(self._attempts + 1, 16)
        delay_s = longest_s * (0.5 + 0.5 * self._random()) if retry_after_s is None else retry_after_s
        return min(delay_s, left_s)
