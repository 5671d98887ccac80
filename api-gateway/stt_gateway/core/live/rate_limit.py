"""Token bucket in seconds of audio that limits how fast a client may send. Pure."""

MESSAGE_COST_S = 0.004
"""Minimum seconds of audio that a message counts for, however little it holds."""


class AudioRateLimit:
    """Rate limit for audio.

    ``rate``: seconds of audio allowed per second; ``burst_s``: seconds of audio that may come at once.
    """

    def __init__(self, rate: float, burst_s: float) -> None:
        self._rate = rate
        self._burst_s = burst_s
        self._left_s = burst_s
        self._at_ms: float | None = None

    def spend(self, audio_s: float, now_ms: float) -> float:
        """Count a message with ``audio_s`` of audio; return for how many seconds nothing more should be read."""
        if self._at_ms is not None:
            self._left_s = min(self._burst_s, self._left_s + self._rate * (now_ms - self._at_ms) / 1000)
        self._at_ms = now_ms
        self._left_s -= max(audio_s, MESSAGE_COST_S)
        return max(0.0, -self._left_s / self._rate)
