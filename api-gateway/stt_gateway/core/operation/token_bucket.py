"""How often something may happen: a token bucket. Pure."""


class TokenBucket:
    """``per_s``: times a second in the long run; ``burst``: as many at once."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """It happens once; False when that is too often."""
        if self._at_s is not None:
            self._left = min(self._burst, self._left + self._per_s * (now_s - self._at_s))
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
