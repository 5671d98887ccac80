"""Detection of a session that waits for room in its log and cannot continue. Pure.

A session with slow workers still makes progress.
"""

from collections.abc import Sequence

UNSERVED_MS = 10_000.0
"""Longest time that a stage may be without a live worker, as during a takeover or a restart."""
UNMOVED_MS = 60_000.0
"""Longest time without progress: longer than the slowest final takes under overload."""


class StallWatch:
    """Stall detector of one session.

    It measures time only while the session is blocked: without audio from its client, no progress is expected. Times
    are in milliseconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._blocked = False
        self._progress: Sequence[object] = ()
        self._moved_ms = 0.0
        self._served_ms = 0.0

    @property
    def is_blocked(self) -> bool:
        """Whether a frame waits for room in the log."""
        return self._blocked

    def block(self, now_ms: float) -> None:
        """Note that a frame was refused because the log is full."""
        if not self._blocked:
            self._blocked = True
            self._moved_ms = self._served_ms = now_ms

    def unblock(self) -> None:
        """Note that a frame was stored."""
        self._blocked = False

    def is_stalled(self, progress: Sequence[object], is_served: bool, now_ms: float) -> bool:
        """Return whether a blocked session is stalled. ``is_served``: every stage has a live worker."""
        if progress != self._progress:
            self._progress, self._moved_ms = progress, now_ms
        if is_served:
            self._served_ms = now_ms
        unmoved_ms = now_ms - self._moved_ms
        return unmoved_ms >= UNMOVED_MS or min(unmoved_ms, now_ms - self._served_ms) >= UNSERVED_MS
