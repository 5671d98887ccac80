"""Speed of the idle model, which changes with what else the machine does."""

from collections import deque

RECENT = 3
"""Number of measurements of which the best counts: the others shared the machine with something else for a moment."""
COST_SHARE, COST_SHARE_SLOWED = 0.01, 0.05
"""Share of one worker's time that measuring takes, and while the machine is slower than it has been."""
COST_SHARE_FILES = 0.002
"""The same while chunks of files are decoded, which all wait for a measurement and make it look slow."""
SLOWED = 1.25
"""Factor by which the machine is slower than its best when something else takes its time."""
LEAST_S, MOST_S = 1.0, 60.0
_FORGET = 1.02
"""Factor by which the best is forgotten with each measurement, since a machine may stay slower for good."""


class Speed:
    """Time that the idle model takes to encode a window of six seconds. Pure."""

    def __init__(self, encode_ms: float) -> None:
        self._recent = deque([encode_ms], RECENT)
        self._best_ms = encode_ms

    @property
    def encode_ms(self) -> float:
        """Time that one window takes."""
        return min(self._recent)

    def next_s(self, *, with_files: bool) -> float:
        """Return the seconds until the next measurement: the sooner the more is to be gained.

        ``with_files``: chunks of files are being decoded.
        """
        settled = len(self._recent) == RECENT and self.encode_ms <= SLOWED * self._best_ms
        share = COST_SHARE_FILES if with_files else COST_SHARE if settled else COST_SHARE_SLOWED
        return min(max(LEAST_S, self._recent[-1] / 1000 / share), MOST_S)

    def measured(self, encode_ms: float) -> None:
        """Add a measurement."""
        self._recent.append(encode_ms)
        self._best_ms = min(encode_ms, _FORGET * self._best_ms)
