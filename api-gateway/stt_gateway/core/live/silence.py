"""Detection of silent clients.

A client that stops sending frames after speech must get its final as if it had continued to send silence; a client that
sends a second of audio once a second must not have its utterances cut.
"""

from collections import deque

RECENT = 8
LONGEST_INTERVAL_MS = 5000.0
"""Longest wait that counts towards the client's rhythm; a longer one was a pause."""
ASSUMED_CONTAINER_CHUNK_MS = 1000.0
"""Assumed chunk duration until the rhythm is known: browsers deliver compressed audio in pieces of up to a second."""


class SilenceWatch:
    """Silence detector over the chunk arrivals of one session. Times are in milliseconds of one monotonic clock."""

    def __init__(self, endpointing_ms: int) -> None:
        self._endpointing_ms = endpointing_ms
        self._intervals: deque[float] = deque(maxlen=RECENT)
        self._durations: deque[float] = deque(maxlen=RECENT)
        self._handled_ms: float | None = None
        self._in_utterance = False

    @property
    def threshold_ms(self) -> float:
        """Wait after which the client counts as silent."""
        return max(
            self._endpointing_ms,
            2 * max(self._intervals, default=0.0),
            1.5 * max(self._durations, default=0.0),
        )

    @property
    def deadline_ms(self) -> float | None:
        """Time at which the client counts as silent; None when there is no utterance to end."""
        if not self._in_utterance or self._handled_ms is None:
            return None
        return self._handled_ms + self.threshold_ms

    def audio_arrived(self, now_ms: float, duration_ms: float | None) -> None:
        """Note that a chunk came; ``duration_ms`` is None when unknown."""
        if self._handled_ms is not None and now_ms - self._handled_ms <= LONGEST_INTERVAL_MS:
            self._intervals.append(now_ms - self._handled_ms)
        if duration_ms is not None:
            self._durations.append(duration_ms)
        else:
            self._durations.append(ASSUMED_CONTAINER_CHUNK_MS if len(self._intervals) < 2 else 0.0)
        self._in_utterance = True
        self._handled_ms = now_ms

    def audio_handled(self, now_ms: float) -> None:
        """Note that the chunk is stored.

        Only waits from here on count as the client's: storing the chunk may have taken long, and nothing was read
        meanwhile.
        """
        self._handled_ms = now_ms

    def utterance_ended(self) -> None:
        """Note that a control frame ended the utterance: there is nothing to end until more audio comes."""
        self._in_utterance = False
