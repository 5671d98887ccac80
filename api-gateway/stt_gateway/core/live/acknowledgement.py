"""Timing of the acknowledgements of a client's audio."""

ACK_EVERY_MS = 1000.0

Position = tuple[int, int]
"""Number of the last chunk in the log, and the committed position in milliseconds."""


class Acknowledgement:
    """Schedule of one session's acks: one when the position has moved, at most one every ACK_EVERY_MS."""

    def __init__(self) -> None:
        self._sent: Position = (0, 0)
        self._due_ms = 0.0

    def is_due(self, position: Position, now_ms: float) -> bool:
        """Return whether an ack should be sent."""
        return position != self._sent and now_ms >= self._due_ms

    def sent(self, position: Position, now_ms: float) -> None:
        """Note that an ack was sent."""
        self._sent, self._due_ms = position, now_ms + ACK_EVERY_MS
