"""Rolling buffer: the part of a session's audio that may still be needed, addressed by position in the session."""

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ


class RollingBuffer:
    """Buffer of int16 samples from ``start`` to ``end``; positions count from the session's first sample (16 kHz)."""

    def __init__(self, start: int = 0) -> None:
        self._samples: NDArray[np.int16] = np.zeros(AUDIO_RATE_HZ, np.int16)
        self._used = 0
        self.start = start

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.start + self._used

    def append(self, samples: NDArray[np.int16]) -> None:
        """Append samples [n] at the end."""
        needed = self._used + len(samples)
        if needed > len(self._samples):
            # Grow by one second: copying costs next to nothing, and doubling would waste half of a session's memory.
            grown = np.zeros(needed + AUDIO_RATE_HZ, np.int16)
            grown[: self._used] = self._samples[: self._used]
            self._samples = grown
        self._samples[self._used : needed] = samples
        self._used = needed

    def drop_before(self, position: int) -> None:
        """Drop the audio before ``position``."""
        drop = min(max(0, position - self.start), self._used)
        if drop == 0:
            return
        kept = self._used - drop
        # Copy to a smaller array: one long utterance must not occupy its memory for the rest of the session.
        fresh = np.zeros(kept + 8000, np.int16)
        fresh[:kept] = self._samples[drop : self._used]
        self._samples, self._used, self.start = fresh, kept, self.start + drop

    def as_float(self, begin: int, end: int) -> NDArray[np.float32]:
        """Return the audio as float32 [end - begin] in -1…1; positions outside the buffer are left out."""
        lo, hi = max(begin, self.start) - self.start, min(end, self.end) - self.start
        return self._samples[lo : max(lo, hi)].astype(np.float32) / 32768.0

    def quietest(self, begin: int, end: int, span: int) -> int:
        """Return the middle of the quietest ``span`` samples between two positions: the best place for a cut."""
        audio = self.as_float(begin, end)
        if len(audio) <= span:
            return (begin + end) // 2
        energy = np.concatenate(([0.0], np.cumsum(audio.astype(np.float64) ** 2)))
        step = max(1, span // 4)
        starts = np.arange(0, len(audio) - span + 1, step)
        return max(begin, self.start) + int(starts[np.argmin(energy[starts + span] - energy[starts])]) + span // 2
