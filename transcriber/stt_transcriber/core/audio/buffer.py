"""The rolling buffer: the session's audio that may still be needed, addressed by position in the session."""

import numpy as np
from numpy.typing import NDArray


class RollingBuffer:
    """int16 samples from ``start`` to ``end``, positions counted from the session's first sample (16 kHz)."""

    def __init__(self, start: int = 0) -> None:
        self._samples: NDArray[np.int16] = np.zeros(16000, np.int16)
        self._used = 0
        self.start = start

    @property
    def end(self) -> int:
        """Position behind the last sample."""
        return self.start + self._used

    def append(self, samples: NDArray[np.int16]) -> None:
        """Adds samples [n] at the end."""
        needed = self._used + len(samples)
        if needed > len(self._samples):
            # A second at a time: to copy it is nothing, and twice the room would be half of a session's memory.
            grown = np.zeros(needed + 16000, np.int16)
            grown[: self._used] = self._samples[: self._used]
            self._samples = grown
        self._samples[self._used : needed] = samples
        self._used = needed

    def drop_before(self, position: int) -> None:
        """Forgets what lies before ``position``."""
        drop = min(max(0, position - self.start), self._used)
        if drop == 0:
            return
        kept = self._used - drop
        # A copy, shrunk to what is kept: one long utterance must not hold its memory for the rest of the session.
        fresh = np.zeros(kept + 8000, np.int16)
        fresh[:kept] = self._samples[drop : self._used]
        self._samples, self._used, self.start = fresh, kept, self.start + drop

    def as_float(self, begin: int, end: int) -> NDArray[np.float32]:
        """float32 [end - begin] in -1…1; positions outside the buffer are left out."""
        lo, hi = max(begin, self.start) - self.start, min(end, self.end) - self.start
        return self._samples[lo : max(lo, hi)].astype(np.float32) / 32768.0

    def quietest(self, begin: int, end: int, span: int) -> int:
        """The middle of the quietest ``span`` samples between two positions: the best place for a cut."""
        audio = self.as_float(begin, end)
        if len(audio) <= span:
            return (begin + end) // 2
        energy = np.concatenate(([0.0], np.cumsum(audio.astype(np.float64) ** 2)))
        step = max(1, span // 4)
        starts = np.arange(0, len(audio) - span + 1, step)
        return max(begin, self.start) + int(starts[np.argmin(energy[starts + span] - energy[starts])]) + span // 2
