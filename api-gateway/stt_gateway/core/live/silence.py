"""When is a client silent? One that stops sending frames after speech must get its final as if it had gone on sending
silence; one that sends a second of audio once a second must not be cut up."""

from collections import deque

RECENT = 8
LONGEST_INTERVAL_MS = 5000.0
"""A longer wait was a pause, and says nothing of the client's rhythm."""
ASSUMED_CONTAINER_CHUNK_MS = 1000.0
"""Browsers hand out compressed audio in pieces of up to a second; until the rhythm is seen, assume that."""


class SilenceWatch:
    """The arrivals of one session. Times in milliseconds of one monotonic clock."""

    def __init__(self, endpointing_ms: int) -> None:
        self._endpointing_ms = endpointing_ms
        self._intervals: deque[float] = deque(maxlen=RECENT)
        self._durations: deque[float] = deque(maxlen=RECENT)
        self._handled_ms: float | None = None
        self._unsettled = False

    @property
    def threshold_ms(self) -> float:
        """Silence is what lasts longer than this."""
        return max(
            self._endpointing_ms,
            2 * max(self._intervals, default=0.0),
            1.5 * max(self._durations, default=0.0),
        )

    @property
    def deadline_ms(self) -> float | None:
        """When the client counts as silent; None when there is nothing to end."""
        if not self._unsettled or self._handled_ms is None:
            return None
        return self._handled_ms + self.threshold_ms

    def audio_arrived(self, now_ms: float, duration_ms: float | None) -> None:
        """A chunk came; ``duration_ms`` None when that is not known."""
        if self._handled_ms is not None and now_ms - self._handled_ms <= LONGEST_INTERVAL_MS:
            self._intervals.append(now_ms - self._handled_ms)
        if duration_ms is not None:
            self._durations.append(duration_ms)
        else:
            self._durations.append(ASSUMED_CONTAINER_CHUNK_MS if len(self._intervals) < 2 else 0.0)
        self._unsettled = True
        self._handled_ms = now_ms

    def audio_handled(self, now_ms: float) -> None:
        """The chunk is stored. Only from here on may the client be blamed for a wait: storing it may have taken long,
        and nothing was read meanwhile."""
        self._handled_ms = now_ms

    def settled(self) -> None:
        """A control frame ended the utterance: nothing to end until more audio comes."""
        self._unsettled = False
