"""Alignment of the tracks of a call, which arrive apart, as samples of all channels side by side."""

_LAG_MS = 100
"""How much later than another a track may arrive before it counts as silent there."""
_TOLERANCE_MS = 60
"""Differences of timestamps that are no gap: they are rounded, and senders are not quite regular."""
_MAX_GAP_MS = 30_000
_MAX_HELD_MS = 2_000


class TrackAligner:
    """Aligner of tracks in an encoding of one byte a sample. Nothing is dropped; what never came is silence.

    ``silence``: the byte that stands for it. A gap of all tracks that is longer than 30 s counts as one of 30 s.
    """

    def __init__(self, tracks: int, sample_rate: int, silence: int) -> None:
        self._per_ms = sample_rate / 1000
        self._silence = bytes((silence,))
        self._held = [bytearray() for _ in range(tracks)]
        self._start = 0  # position of what is held, in samples
        self._front = 0  # position after the newest audio, by its timestamp
        self._skipped = 0  # samples that timestamps count and positions do not

    def push(self, track: int, at_ms: float, data: bytes) -> bytes:
        """Add audio of a track from ``at_ms`` on; return the audio of all tracks, interleaved, that is complete."""
        held = self._held[track]
        at = self._samples(at_ms) - self._skipped
        jump = at - max(self._front, self._start) - self._samples(_MAX_GAP_MS)
        if jump > 0:
            self._skipped += jump
            at -= jump
        gap = at - (self._start + len(held))
        if gap >= self._samples(_TOLERANCE_MS):
            held += self._silence * gap
        held += data
        self._front = max(self._front, at + len(data))
        lengths = [len(one) for one in self._held]
        return self._pop(
            max(
                min(lengths),
                self._front - self._samples(_LAG_MS) - self._start,
                max(lengths) - self._samples(_MAX_HELD_MS),
            )
        )

    def flush(self) -> bytes:
        """Return what is held of any track."""
        return self._pop(max(len(one) for one in self._held))

    def _pop(self, samples: int) -> bytes:
        if samples <= 0:
            return b""
        popped = bytearray(self._silence * (samples * len(self._held)))
        for track, held in enumerate(self._held):
            part = held[:samples]
            popped[track : track + len(part) * len(self._held) : len(self._held)] = part
            del held[:samples]
        self._start += samples
        return bytes(popped)

    def _samples(self, ms: float) -> int:
        return int(ms * self._per_ms)
