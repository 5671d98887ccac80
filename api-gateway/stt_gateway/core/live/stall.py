"""Detects a session that waits for room in its log and cannot go on. With slow workers it still moves. Pure."""

from collections.abc import Sequence

UNSERVED_MS = 10_000.0
"""Longest time a stage may be without a live worker, as during a takeover or a restart."""
UNMOVED_MS = 60_000.0
"""Longer than the slowest final takes under overload."""


class StallWatch:
    """Measures time only while the session is blocked: without audio from its client it need not move.

    Times in milliseconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._blocked = False
        self._progress: Sequence[object] = ()
        self._moved_ms = 0.0
        self._served_ms = 0.0

    @property
    def is_blocked(self) -> bool:
        """A frame waits for room in the log."""
        return self._blocked

    def block(self, now_ms: float) -> None:
        """A frame was refused because the log is full."""
        if not self._blocked:
            self._blocked = True
            self._moved_ms = self._served_ms = now_ms

    def unblock(self) -> None:
        """A frame was stored."""
        self._blocked = False

    def is_stalled(self, progress: Sequence[object], is_served: bool, now_ms: float) -> bool:
        """Checks a blocked session. ``is_served``: every stage has a live worker."""
        if progress != self._progress:
            self._progress, self._moved_ms = progress, now_ms
        if is_served:
            self._served_ms = now_ms
        unmoved_ms = now_ms - self._moved_ms
        return unmoved_ms >= UNMOVED_MS or min(unmoved_ms, now_ms - self._served_ms) >= UNSERVED_MS
