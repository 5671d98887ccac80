"""Probability of voice per window, kept while the audio may still be decoded or cut."""

from collections import deque
from collections.abc import Iterable
from itertools import islice, pairwise

import numpy as np

from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES

Span = tuple[int, int]
"""Range of positions in samples: start, end."""


class VadTrack:
    """Probabilities from position ``base`` on, one per window; positions are offsets into the session's audio."""

    def __init__(self, base: int, voiced_from: float) -> None:
        self._start = base
        self._voiced_from = voiced_from
        self._probabilities: deque[float] = deque()

    def append(self, probability: float) -> None:
        """Append the probability of the next window."""
        self._probabilities.append(probability)

    def drop_before(self, position: int) -> None:
        """Drop the windows that end at or before ``position``."""
        while self._probabilities and self._start + WINDOW_SAMPLES <= position:
            self._probabilities.popleft()
            self._start += WINDOW_SAMPLES

    def state(self) -> tuple[int, list[float]]:
        """Return the position of the first window, and the probabilities."""
        return self._start, list(self._probabilities)

    def restore(self, start: int, probabilities: Iterable[float]) -> None:
        """Restore a state that ``state`` returned."""
        self._start, self._probabilities = start, deque(probabilities)

    @classmethod
    def unpacked(cls, begin: int, bits: bytes) -> "VadTrack":
        """Create a track from the result of ``packed`` for windows from the one that contains ``begin``."""
        track = cls(begin // WINDOW_SAMPLES * WINDOW_SAMPLES, 0.5)
        track._probabilities.extend(np.unpackbits(np.frombuffer(bits, np.uint8)).astype(float).tolist())
        return track

    def packed(self, begin: int, end: int) -> bytes:
        """Return one bit per window touching [begin, end): whether it held voice."""
        _, probabilities = self._between(begin, end)
        return np.packbits([probability >= self._voiced_from for probability in probabilities]).tobytes()

    def share(self, begin: int, end: int) -> float:
        """Return the share of windows touching [begin, end) that held voice, 0–1; unprocessed audio does not count."""
        _, probabilities = self._between(begin, end)
        return self.voiced(begin, end) / len(probabilities) if probabilities else 0.0

    def voiced(self, begin: int, end: int) -> int:
        """Count the windows touching [begin, end) that held voice."""
        _, probabilities = self._between(begin, end)
        return sum(probability >= self._voiced_from for probability in probabilities)

    def voiced_within(self, begin: int, end: int) -> int:
        """Count the windows with voice that lie entirely between two positions."""
        return self.voiced(-(-begin // WINDOW_SAMPLES) * WINDOW_SAMPLES, end // WINDOW_SAMPLES * WINDOW_SAMPLES)

    def stretches(self, begin: int, end: int, margin: int) -> list[Span]:
        """Return the ranges of voiced windows touching [begin, end), widened by ``margin`` windows on either side."""
        first, probabilities = self._between(begin, end)
        near = np.zeros(len(probabilities) + 2, bool)
        for at in np.flatnonzero(np.array(probabilities) >= self._voiced_from):
            near[max(1, at + 1 - margin) : min(at + 2 + margin, len(probabilities) + 1)] = True
        edges = np.flatnonzero(np.diff(near)) * WINDOW_SAMPLES + first
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

    def extent(self, begin: int, end: int) -> Span | None:
        """Return the range from the first to the last voiced window touching [begin, end), None if there is none."""
        first, probabilities = self._between(begin, end)
        voiced = [index for index, probability in enumerate(probabilities) if probability >= self._voiced_from]
        if not voiced:
            return None
        return first + voiced[0] * WINDOW_SAMPLES, first + (voiced[-1] + 1) * WINDOW_SAMPLES

    def density(self, begin: int, end: int, pause: int) -> float:
        """Return the share of windows touching [begin, end) that held voice, 0–1.

        Silence before and after the voice, and pauses of at least ``pause`` samples, do not count.
        """
        _, probabilities = self._between(begin, end)
        voiced = [index for index, probability in enumerate(probabilities) if probability >= self._voiced_from]
        if not voiced:
            return 0.0
        gaps = [later - earlier - 1 for earlier, later in pairwise(voiced)]
        return len(voiced) / (len(voiced) + sum(gap for gap in gaps if gap * WINDOW_SAMPLES < pause))

    def longest_pause(self, begin: int, end: int) -> tuple[int, int] | None:
        """Return the longest run of windows without voice between two positions, None if there is none.

        Among runs of equal length, the last one is returned.
        """
        first, probabilities = self._between(begin, end)
        best: tuple[int, int] | None = None
        since: int | None = None
        for index, probability in enumerate([*probabilities, 1.0]):
            if probability < self._voiced_from:
                since = index if since is None else since
            elif since is not None:
                if best is None or index - since >= best[1] - best[0]:
                    best = (since, index)
                since = None
        if best is None:
            return None
        return max(begin, first + best[0] * WINDOW_SAMPLES), min(end, first + best[1] * WINDOW_SAMPLES)

    def _between(self, begin: int, end: int) -> tuple[int, list[float]]:
        lo = max(0, (begin - self._start) // WINDOW_SAMPLES)
        hi = max(lo, -(-(end - self._start) // WINDOW_SAMPLES))
        return self._start + lo * WINDOW_SAMPLES, list(islice(self._probabilities, lo, hi))
