"""Record of the audio that each frame of the log brought, and when; for the committed position and the lag."""

from collections import deque


class FrameTimes:
    """Frames that are read but not settled. ``settled_seq``: the last frame that is settled."""

    def __init__(self, committed_seq: int) -> None:
        self._frames: deque[tuple[int, int, float]] = deque()  # seq, end position, received at (wall)
        self._newest_ms = 0.0
        self.settled_seq = committed_seq

    def add(self, seq: int, end: int, received_ms: float) -> None:
        """Add frame ``seq``, which brought the audio up to position ``end``."""
        self._frames.append((seq, end, received_ms))
        self._newest_ms = received_ms or self._newest_ms  # frames without audio may lack the time

    def settle(self, seq: int) -> None:
        """Drop frames up to ``seq``."""
        self.settled_seq = max(self.settled_seq, seq)
        while self._frames and self._frames[0][0] <= seq:
            self._frames.popleft()

    def lag_ms(self, position: int, now_wall_ms: float) -> int:
        """Return the time since the audio at ``position`` was received; 0 if nothing was received."""
        for _, end, received_ms in self._frames:
            if end >= position:
                return max(0, round(now_wall_ms - received_ms))
        return max(0, round(now_wall_ms - self._newest_ms)) if self._newest_ms else 0
