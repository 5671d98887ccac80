"""Token bucket that limits how often something may happen. Pure."""


class TokenBucket:
    """Token bucket. ``per_s``: tokens a second in the long run; ``burst``: tokens that may be taken at once."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one token; return False if none is left."""
        if not self.has_any(now_s):
            return False
        self._left -= 1
        return True

    def has_any(self, now_s: float) -> bool:
        """Return whether a token is left, without taking it."""
        if self._at_s is not None:
            self._left = min(self._burst, self._left + self._per_s * (now_s - self._at_s))
        self._at_s = now_s
        return self._left >= 1
