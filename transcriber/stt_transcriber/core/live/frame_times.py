"""Which frame of the log brought which part of the audio, and when: for the committed position and for the lag."""

from collections import deque


class FrameTimes:
    """Fed each frame as it is read; forgets those that are settled. ``settled_seq``: the last of these."""

    def __init__(self, committed_seq: int) -> None:
        self._frames: deque[tuple[int, int, float]] = deque()  # seq, end position, received at (wall)
        self._newest_ms = 0.0
        self.settled_seq = committed_seq

    def add(self, seq: int, end: int, received_ms: float) -> None:
        """Frame ``seq`` brought the audio up to position ``end``."""
        self._frames.append((seq, end, received_ms))
        self._newest_ms = received_ms or self._newest_ms  # frames without audio may not say when they came

    def settle(self, seq: int) -> None:
        """Frames up to ``seq`` are done with."""
        self.settled_seq = max(self.settled_seq, seq)
        while self._frames and self._frames[0][0] <= seq:
            self._frames.popleft()

    def lag_ms(self, position: int, now_wall_ms: float) -> int:
        """Since the audio at ``position`` was received; 0 when nothing was."""
        for _, end, received_ms in self._frames:
            if end >= position:
                return max(0, round(now_wall_ms - received_ms))
        return max(0, round(now_wall_ms - self._newest_ms)) if self._newest_ms else 0
