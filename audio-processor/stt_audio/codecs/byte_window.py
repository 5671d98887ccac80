"""Statistics of a window of bytes. Each is computed once, and only if it is asked for."""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from stt_audio.codecs.pcm import SampleFormat, to_samples

WINDOW_BYTES = 4104
"""Bytes that are judged at once: whole samples of any format."""
_PLACES = 12
"""Places that are counted apart: sizes of samples divide this."""

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_OFFSETS = (np.arange(WINDOW_BYTES) % _PLACES * 256).astype(np.uint16)
_COUNTS = np.arange(WINDOW_BYTES + 1)
_PARTS = _COUNTS * np.log2(np.maximum(_COUNTS, 1))
"""n log2(n)"""


class ByteWindow:
    """Window of ``WINDOW_BYTES`` bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.raw: Bytes = np.frombuffer(data, np.uint8)
        self._counts = np.bincount(self.raw + _OFFSETS, minlength=256 * _PLACES)

    @cached_property
    def counts(self) -> Counts:
        """How often each byte occurs: [256]."""
        total: Counts = self.counts_at(1)[0]
        return total

    def counts_at(self, period: int) -> Counts:
        """Return how often each byte occurs at every place modulo ``period`` (2, 3, 4 or 6): [period, 256]."""
        counts: Counts = self._counts.reshape(-1, period, 256).sum(axis=0)
        return counts

    @cached_property
    def s16le(self) -> Floats:
        """The window read as 16-bit integers."""
        return self.samples("pcm_s16le")

    @cached_property
    def level_s16le(self) -> float:
        """Mean amplitude of ``s16le``."""
        return float(np.abs(self.s16le).mean())

    def samples(self, name: str) -> Floats:
        """Return the window read as samples of a format."""
        return to_samples(self.data, SampleFormat(name)).astype(np.float64)


def entropy(counts: Counts) -> float:
    """Return the entropy, in bits, of the bytes that occur ``counts`` times."""
    n = counts.sum()
    return float(np.log2(n) - _PARTS[counts].sum() / n)


def distances(some: Counts, other: Counts) -> Floats:
    """Return the difference of distributions of bytes, [..., 256], from another one, [256]: 0 (equal) to 2."""
    shares = some / some.sum(axis=-1, keepdims=True)
    apart: Floats = np.abs(shares - other / other.sum()).sum(axis=-1)
    return apart
