"""How fast a client may send: a token bucket in seconds of audio. Pure."""

MESSAGE_COST_S = 0.004
"""A message counts for at least this much audio, however little it holds."""


class AudioRateLimit:
    """``rate``: seconds of audio allowed per second; ``burst_s``: as much may come at once."""

    def __init__(self, rate: float, burst_s: float) -> None:
        self._rate = rate
        self._burst_s = burst_s
        self._left_s = burst_s
        self._at_ms: float | None = None

    def spend(self, audio_s: float, now_ms: float) -> float:
        """A message with so much audio came; answers how many seconds nothing more should be read."""
        if self._at_ms is not None:
            self._left_s = min(self._burst_s, self._left_s + self._rate * (now_ms - self._at_ms) / 1000)
        self._at_ms = now_ms
        self._left_s -= max(audio_s, MESSAGE_COST_S)
        return max(0.0, -self._left_s / self._rate)
