"""Number of places for sessions, from the speed of the machine, which changes."""

from stt_transcriber.core.schedule.pacing import places

WINDOW_MS = 60_000.0
"""Time for which a measurement counts."""
SHRINK_SHARE = 0.8
"""Places are reduced only to less than this share of the current number, so that it does not fluctuate."""
SHRINK_COUNT = 3
"""Measurements within ``WINDOW_MS`` needed to reduce places: a single one may come from a busy moment."""


class Speed:
    """Speed of the machine, from the time that an idle model takes to encode a window of six seconds. Pure.

    The best measurement of the last minute counts: the others shared the machine with something else.
    """

    def __init__(self, workers: int, encode_ms: float, now_ms: float) -> None:
        self._workers = workers
        self._measured = [(now_ms, encode_ms)]
        self.places = places(workers, encode_ms)

    @property
    def encode_ms(self) -> float:
        """Time that one window takes."""
        return min(took_ms for _, took_ms in self._measured)

    def measured(self, encode_ms: float, now_ms: float) -> None:
        """Add a measurement; ``now_ms`` is monotonic."""
        recent = [one for one in self._measured if now_ms - one[0] < WINDOW_MS]
        self._measured = [*recent, (now_ms, encode_ms)]
        found = places(self._workers, self.encode_ms)
        shrinks = found < SHRINK_SHARE * self.places and len(self._measured) >= SHRINK_COUNT
        if found > self.places or shrinks:
            self.places = found
