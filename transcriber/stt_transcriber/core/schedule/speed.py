"""How many sessions there are places for, by the speed of the machine, which changes."""

from stt_transcriber.core.schedule.pacing import places

WINDOW_MS = 60_000.0
"""A measurement counts for so long."""
SHRINK_SHARE = 0.8
"""Places become fewer only below this share of what there are, so that they do not flap."""
SHRINK_COUNT = 3
"""Measurements of the window that it takes to have fewer: a single one may be a busy moment's."""


class Speed:
    """Pure: told what encoding a window of six seconds took on an idle model. The best of the last minute counts: the
    others shared the machine with something."""

    def __init__(self, workers: int, encode_ms: float, now_ms: float) -> None:
        self._workers = workers
        self._measured = [(now_ms, encode_ms)]
        self.places = places(workers, encode_ms)

    @property
    def encode_ms(self) -> float:
        """What a window takes."""
        return min(took_ms for _, took_ms in self._measured)

    def measured(self, encode_ms: float, now_ms: float) -> None:
        """One more measurement; ``now_ms`` is monotonic."""
        recent = [one for one in self._measured if now_ms - one[0] < WINDOW_MS]
        self._measured = [*recent, (now_ms, encode_ms)]
        found = places(self._workers, self.encode_ms)
        shrinks = found < SHRINK_SHARE * self.places and len(self._measured) >= SHRINK_COUNT
        if found > self.places or shrinks:
            self.places = found
