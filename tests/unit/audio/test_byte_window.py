"""Statistics of a window of bytes, against those by definition."""

import numpy as np
import pytest

from stt_audio.codecs.byte_window import WINDOW_BYTES, ByteWindow, distances, entropy

pytestmark = pytest.mark.unit

RAW = np.random.default_rng(0).normal(128, 20, WINDOW_BYTES).astype(np.uint8)
WINDOW = ByteWindow(RAW.tobytes())


def shares(raw: np.ndarray) -> np.ndarray:
    return np.array([(raw == byte).mean() for byte in range(256)])


@pytest.mark.parametrize("period", [1, 2, 3, 4, 6])
def test_bytes_are_counted_by_their_place(period: int) -> None:
    counts = WINDOW.counts_at(period)
    assert counts.shape == (period, 256)
    for place in range(period):
        assert np.array_equal(counts[place], shares(RAW[place::period]) * (WINDOW_BYTES // period))
    assert np.array_equal(WINDOW.counts, counts.sum(axis=0))


def test_entropy_is_in_bits() -> None:
    kinds = np.full(256, 16)
    assert entropy(kinds) == pytest.approx(8)
    found = shares(RAW)[shares(RAW) > 0]
    assert entropy(WINDOW.counts) == pytest.approx(-(found * np.log2(found)).sum())
    assert entropy(ByteWindow(bytes(WINDOW_BYTES)).counts) == pytest.approx(0)


def test_distances_are_0_to_2() -> None:
    at_places = WINDOW.counts_at(3)
    apart = distances(at_places, WINDOW.counts)
    assert apart == pytest.approx([np.abs(shares(RAW[place::3]) - shares(RAW)).sum() for place in range(3)])
    zeros, ones = (ByteWindow(bytes([byte]) * WINDOW_BYTES).counts for byte in (0, 1))
    assert (distances(zeros, zeros), distances(zeros, ones)) == (0, 2)


def test_samples_are_those_of_the_format() -> None:
    assert np.array_equal(WINDOW.s16le, RAW.view("<i2"))
    assert WINDOW.level_s16le == pytest.approx(np.abs(RAW.view("<i2").astype(float)).mean())
