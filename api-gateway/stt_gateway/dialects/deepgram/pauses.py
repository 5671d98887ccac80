"""Pauses after the last word of an utterance, of which Deepgram's clients may want to learn (``utterance_end_ms``).

A pause is as long as the audio says, not the clock. How far the audio has been heard is known from events, which come
once a second in silence; and sooner from the client's own audio, if it sends at the pace of speech. A client that sends
faster is far ahead of what was heard, so its audio says nothing.
"""

from dataclasses import dataclass, field

HEARING_MS = 300
"""Longest time between the arrival of speech and the event that says that it began."""
AHEAD_MS = 1000
"""Least lead over what was heard by which a client counts as sending faster than speech."""


@dataclass
class Pauses:
    """Last words, by channel, after which speech has not gone on yet. Times are positions in milliseconds."""

    pause_ms: int
    _ends: dict[int, int] = field(default_factory=dict)
    _is_ahead: bool = True

    def final(self, channel: int, end_ms: int, received_ms: int | None, lag_ms: int) -> None:
        """Note the end of an utterance; ``received_ms``: position of the client's audio, None if it is not known.

        ``lag_ms``: how long ago that end was received.
        """
        self._ends[channel] = end_ms
        self._is_ahead = received_ms is None or received_ms - end_ms - lag_ms > AHEAD_MS

    def speech(self, channel: int, start_ms: int) -> int | None:
        """Note that speech began; return the end of the last word before it if the pause was long enough."""
        end_ms = self._ends.pop(channel, None)
        return end_ms if end_ms is not None and start_ms - end_ms >= self.pause_ms else None

    def silent_until(self, position_ms: int) -> list[tuple[int, int]]:
        """Return the channels whose pause is long enough by then, with the ends of their last words."""
        found = [(channel, end_ms) for channel, end_ms in self._ends.items() if position_ms - end_ms >= self.pause_ms]
        for channel, _ in found:
            del self._ends[channel]
        return found

    def received(self, position_ms: int) -> list[tuple[int, int]]:
        """Return the same for a client that has sent its audio up to there."""
        return [] if self._is_ahead or not self._ends else self.silent_until(position_ms - HEARING_MS)
