"""Token bucket that limits how fast a client may send: by waiting, so that nothing is lost. Pure."""

MESSAGE_COST_S = 0.004
"""Minimum seconds of audio that a message counts for, however little it holds."""


def message_cost_s(audio_s: float) -> float:
    """Return for how many seconds of audio a message counts that holds ``audio_s``."""
    return max(audio_s, MESSAGE_COST_S)


class RateLimit:
    """Rate limit, for example in seconds of audio.

    ``rate``: amount allowed per second; ``burst``: amount that may come at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at_ms: float | None = None

    def spend(self, amount: float, now_ms: float) -> float:
        """Count a message of this amount; return for how many seconds nothing more should be read."""
        if self._at_ms is not None:
            self._left = min(self._burst, self._left + self._rate * (now_ms - self._at_ms) / 1000)
        self._at_ms = now_ms
        self._left -= amount
        return max(0.0, -self._left / self._rate)
