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
MAX_STARTS = 64
"""Most starts of speech that are kept for a text that is behind."""


@dataclass
class _Channel:
    """``end_ms``: end of the last word, until it is known how long the pause after it is. ``starts``: of the speech
    after it, which may be known before the text is."""

    end_ms: int | None = None
    starts: list[int] = field(default_factory=list)


@dataclass
class Pauses:
    """Pauses of one session. Times are positions in milliseconds.

    ``pause_ms``: how long one must be to be told; None: none is.
    The methods return the channels whose pause was found to be long enough, each with the end of its last word.
    """

    pause_ms: int | None
    _channels: dict[int, _Channel] = field(default_factory=dict)
    _is_ahead: bool = True

    def final(self, channel: int, end_ms: int, received_ms: int | None, lag_ms: int) -> list[tuple[int, int]]:
        """Note the end of an utterance; ``received_ms``: position of the client's audio, None if it is not known.

        ``lag_ms``: how long ago that end was received.
        """
        self._is_ahead = received_ms is None or received_ms - end_ms - lag_ms > AHEAD_MS
        found = self._channels.setdefault(channel, _Channel())
        found.end_ms = end_ms
        found.starts = [start_ms for start_ms in found.starts if start_ms > end_ms]
        return self._measured(channel, found)

    def speech(self, channel: int, start_ms: int) -> list[tuple[int, int]]:
        """Note that speech began."""
        found = self._channels.setdefault(channel, _Channel())
        found.starts = [*found.starts[1 - MAX_STARTS :], start_ms]
        return self._measured(channel, found)

    def silent_until(self, position_ms: int) -> list[tuple[int, int]]:
        """Note that no speech but what is known begins before a position."""
        return [one for channel, found in self._channels.items() for one in self._measured(channel, found, position_ms)]

    def received(self, position_ms: int) -> list[tuple[int, int]]:
        """Note that the client has sent its audio up to a position."""
        return [] if self._is_ahead else self.silent_until(position_ms - HEARING_MS)

    def _measured(self, channel: int, found: _Channel, silent_until_ms: int = 0) -> list[tuple[int, int]]:
        end_ms = found.end_ms
        if end_ms is None or self.pause_ms is None:
            return []
        is_over = bool(found.starts)
        if (found.starts[0] if is_over else silent_until_ms) - end_ms < self.pause_ms:
            if is_over:
                found.end_ms = None
            return []
        found.end_ms = None
        return [(channel, end_ms)]
