"""Every row of the table of odd files is decoded to its end, with its sound at the right time; some as live streams."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.live_decoding import in_pieces, run
from support.odd_files import ROWS, OddFile, Samples

from stt_audio.files.decoder import FileDecoder
from stt_shared.contracts.session import Encoding, SessionConfig

pytestmark = pytest.mark.unit

RATE = 16000
ENVELOPE_RATE = 100
TOLERANCE_S = 0.15
"""Encoders add a frame of silence, which is as long as 139 ms at the lowest rate."""


def recording() -> Samples:
    """1.9 s of a tone in bursts that are all different, so that no other position looks alike."""
    seconds = np.arange(int(1.9 * RATE)) / RATE
    bursts = np.repeat(
        [0, 0.6, 0.1, 0.5, 0, 0.3, 0.7, 0, 0.2, 0.6, 0.1, 0, 0.5, 0.7, 0.4, 0, 0.6, 0.3, 0.7], RATE // 10
    )
    return (bursts * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)


def envelope(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    """Loudness of each 10 ms, smoothed over 100 ms."""
    whole = len(samples) // (RATE // ENVELOPE_RATE) * (RATE // ENVELOPE_RATE)
    loudness = np.abs(samples[:whole]).reshape(-1, RATE // ENVELOPE_RATE).mean(axis=1)
    return np.convolve(loudness, np.ones(10) / 10, "same")


def best_lag_s(heard: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """How much later than expected the sound comes."""
    size = max(len(heard), len(expected))
    pair = [np.pad(each - each.mean(), (0, size - len(each))) for each in (heard, expected)]
    return (int(np.argmax(np.correlate(pair[0], pair[1], "full"))) - size + 1) / ENVELOPE_RATE


def expected_of(row: OddFile, sound: Samples) -> Samples:
    whole = np.zeros(round(row.starts_s[-1] * RATE) + len(sound), np.float32)
    for start_s in row.starts_s:
        whole[round(start_s * RATE) :][: len(sound)] += sound
    return whole


def assert_is_heard(pcm: bytes, expected: Samples) -> None:
    heard = np.frombuffer(pcm, "<i2") / 32768
    assert len(heard) / RATE == pytest.approx(len(expected) / RATE, abs=2 * TOLERANCE_S)
    lag_s = best_lag_s(envelope(heard), envelope(expected))
    assert abs(lag_s) <= TOLERANCE_S
    shift = round(lag_s * ENVELOPE_RATE)
    pairs = [envelope(each) for each in (heard, expected)]
    loud = pairs[0][max(0, shift) :], pairs[1][max(0, -shift) :]
    size = min(map(len, loud))
    assert np.corrcoef(loud[0][:size], loud[1][:size])[0, 1] > 0.8


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_odd_file_is_heard_whole(row: OddFile, tmp_path: Path) -> None:
    sound = recording()
    (tmp_path / "upload").write_bytes(row.make(sound))
    with FileDecoder(tmp_path / "upload", 10**9) as decoder:
        pcm = b"".join(iter(decoder.read, b""))
        assert decoder.found.warnings == []
    assert_is_heard(pcm, expected_of(row, sound))


@pytest.mark.parametrize("row", [row for row in ROWS if row.live], ids=lambda row: row.name)
async def test_an_odd_stream_is_heard_whole(row: OddFile) -> None:
    """Whoever decodes it."""
    sound = recording()
    pieces = in_pieces(row.make(sound), 30)
    with ThreadPoolExecutor(1) as executor:
        alone = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor)
        with_losses = await run(SessionConfig(encoding=Encoding.AUTO), pieces, executor, lost_every=4)
    assert_is_heard(alone.samples.astype("<i2").tobytes(), expected_of(row, sound))
    assert len(with_losses.samples) == len(alone.samples)
    assert np.abs(with_losses.samples - alone.samples).max() <= 1
