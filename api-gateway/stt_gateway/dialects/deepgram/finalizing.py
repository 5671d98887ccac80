"""The answer to ``Finalize``: which result is the last of those that it was sent for.

A session answers ``finalize`` with ``finalized``, after the events of all speech before it but perhaps before their
finals. Once all that speech is settled, the client may be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TOLERANCE_MS = 100
"""Audio that a decoder may hold back."""


@dataclass
class Finalizing:
    """State of the newest ``Finalize``. Times are positions in milliseconds.

    ``settled_ms``: position before which everything is settled.
    """

    settled_ms: int = 0
    _ended: dict[int, int] = field(default_factory=dict)
    _begun: dict[int, int] = field(default_factory=dict)
    _finals: dict[int, int] = field(default_factory=dict)
    _asked_ms: int | None = None
    _awaited: Mapping[int, int] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether a ``Finalize`` is not answered yet."""
        return self._asked_ms is not None

    def ask(self, position_ms: int) -> None:
        """Note a ``Finalize`` after the audio up to there; 0 if the position is not known."""
        self._asked_ms, self._awaited = position_ms, None

    def speech_began(self, channel: int, start_ms: int) -> None:
        """Note that speech began."""
        self._begun[channel] = start_ms

    def speech_ended(self, channel: int, end_ms: int) -> None:
        """Note that speech ended."""
        self._ended[channel] = end_ms

    def final(self, channel: int, end_ms: int, committed_ms: int) -> bool:
        """Note a final; return whether it is the last before a ``Finalize``."""
        self._finals[channel] = end_ms
        return self.settled(committed_ms)

    def finalized(self, at_ms: int) -> bool:
        """Note that all speech before ``at_ms`` has been told; return whether the client may be told at once."""
        if self._asked_ms is None or self._awaited is not None or at_ms < self._asked_ms - TOLERANCE_MS:
            return False
        self._awaited = dict(self._ended)
        return self._is_over()

    def settled(self, position_ms: int) -> bool:
        """Note that everything before a position is settled; return whether that ends a ``Finalize``."""
        self.settled_ms = max(self.settled_ms, position_ms)
        return self._is_over()

    def _is_over(self) -> bool:
        if self._awaited is None:
            return False
        is_over = all(self._is_settled(channel, end_ms) for channel, end_ms in self._awaited.items())
        if is_over:
            self._asked_ms = self._awaited = None
        return is_over

    def _is_settled(self, channel: int, end_ms: int) -> bool:
        if self.settled_ms >= end_ms:
            return True
        # Where channels are kept apart, the others may be behind; speech of one that has its final is settled.
        is_apart = len({*self._begun, *self._ended}) > 1
        return is_apart and self._finals.get(channel, -1) > self._begun.get(channel, 0)
