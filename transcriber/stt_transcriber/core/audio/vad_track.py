"""How probable a voice was, window by window, for as long as the audio behind it may still be decoded or cut."""

from collections import deque
from collections.abc import Iterable
from itertools import islice, pairwise

import numpy as np

from stt_transcriber.core.audio.vad_gate import WINDOW_SAMPLES

Span = tuple[int, int]
"""Positions in samples, from and to."""


class VadTrack:
    """Probabilities from position ``base`` on, one per window; positions are those of the session's audio."""

    def __init__(self, base: int, voiced_from: float) -> None:
        self._start = base
        self._voiced_from = voiced_from
        self._probabilities: deque[float] = deque()

    def append(self, probability: float) -> None:
        """The next window's."""
        self._probabilities.append(probability)

    def drop_before(self, position: int) -> None:
        """Forgets the windows that end at or before ``position``."""
        while self._probabilities and self._start + WINDOW_SAMPLES <= position:
            self._probabilities.popleft()
            self._start += WINDOW_SAMPLES

    def state(self) -> tuple[int, list[float]]:
        """Position of the first window, and the probabilities."""
        return self._start, list(self._probabilities)

    def restore(self, start: int, probabilities: Iterable[float]) -> None:
        """Goes on from a ``state``."""
        self._start, self._probabilities = start, deque(probabilities)

    @classmethod
    def unpacked(cls, begin: int, bits: bytes) -> "VadTrack":
        """What ``packed`` told of the windows from the one at ``begin`` on."""
        track = cls(begin // WINDOW_SAMPLES * WINDOW_SAMPLES, 0.5)
        track._probabilities.extend(np.unpackbits(np.frombuffer(bits, np.uint8)).astype(float).tolist())
        return track

    def packed(self, begin: int, end: int) -> bytes:
        """Whether the windows touching [begin, end) held voice, a bit each."""
        _, heard = self._between(begin, end)
        return np.packbits([probability >= self._voiced_from for probability in heard]).tobytes()

    def share(self, begin: int, end: int) -> float:
        """Part of the windows touching [begin, end) that held voice, 0–1; what was not listened to does not count."""
        _, heard = self._between(begin, end)
        return self.voiced(begin, end) / len(heard) if heard else 0.0

    def voiced(self, begin: int, end: int) -> int:
        """How many of the windows touching [begin, end) held voice."""
        _, heard = self._between(begin, end)
        return sum(probability >= self._voiced_from for probability in heard)

    def stretches(self, begin: int, end: int, margin: int) -> list[Span]:
        """Ranges of the windows touching [begin, end) that held voice, widened by ``margin`` windows on either side."""
        first, heard = self._between(begin, end)
        near = np.zeros(len(heard) + 2, bool)
        for at in np.flatnonzero(np.array(heard) >= self._voiced_from):
            near[max(1, at + 1 - margin) : min(at + 2 + margin, len(heard) + 1)] = True
        edges = np.flatnonzero(np.diff(near)) * WINDOW_SAMPLES + first
        return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))

    def extent(self, begin: int, end: int) -> Span | None:
        """From the first to the last of the windows touching [begin, end) that held voice; None: there is none."""
        first, heard = self._between(begin, end)
        voiced = [index for index, probability in enumerate(heard) if probability >= self._voiced_from]
        if not voiced:
            return None
        return first + voiced[0] * WINDOW_SAMPLES, first + (voiced[-1] + 1) * WINDOW_SAMPLES

    def density(self, begin: int, end: int, pause: int) -> float:
        """Part of the windows touching [begin, end) that held voice, 0–1; silence around it, and pauses of at least so
        many samples, do not count."""
        _, heard = self._between(begin, end)
        voiced = [index for index, probability in enumerate(heard) if probability >= self._voiced_from]
        if not voiced:
            return 0.0
        gaps = [later - earlier - 1 for earlier, later in pairwise(voiced)]
        return len(voiced) / (len(voiced) + sum(gap for gap in gaps if gap * WINDOW_SAMPLES < pause))

    def longest_pause(self, begin: int, end: int) -> tuple[int, int] | None:
        """The longest run of windows without voice between two positions (the last one of equals); None: there is
        none."""
        first, heard = self._between(begin, end)
        best: tuple[int, int] | None = None
        since: int | None = None
        for index, probability in enumerate([*heard, 1.0]):
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
