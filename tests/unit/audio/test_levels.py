"""Levels: what is above full scale is scaled, quiet files are raised, everything else stays as it is."""

import numpy as np
import pytest

from stt_audio.codecs.levels import LOOK_AHEAD_S, MAX_GAIN, NORMAL_PEAK, FileLevel, FullScale, Level

pytestmark = pytest.mark.unit

RATE = 16000


def tone(duration_s: float = 3.0, peak: float = 0.5) -> np.ndarray:
    moments = np.arange(int(RATE * duration_s)) / RATE
    return (peak * np.sin(2 * np.pi * 440 * moments)).astype(np.float32)


def leveled(level: Level, samples: np.ndarray, step: int = 1600) -> np.ndarray:
    pcm = b"".join(level.feed(samples[at : at + step], at) for at in range(0, len(samples), step))
    return np.frombuffer(pcm + level.flush(), "<i2").astype(float) / 32768


@pytest.mark.parametrize("level", [FullScale, FileLevel])
@pytest.mark.parametrize("peak", [1.0, 0.5, NORMAL_PEAK * 1.01])
def test_a_normal_level_is_kept_to_the_bit(level: type[Level], peak: float) -> None:
    samples = tone(peak=peak)
    expected = np.rint(samples * 32768).clip(-32768, 32767) / 32768
    assert np.array_equal(leveled(level(), samples), expected)


@pytest.mark.parametrize("level", [FullScale, FileLevel])
@pytest.mark.parametrize("gain_db", [3, 12, 20, 40])
def test_above_full_scale_the_shape_is_kept(level: type[Level], gain_db: float) -> None:
    samples = tone(peak=10 ** (gain_db / 20))
    scaled = leveled(level(), samples)
    after = slice(RATE // 10, None)
    similarity = np.corrcoef(scaled[after], samples[after])[0, 1]
    clipped = np.corrcoef(samples.clip(-1, 1)[after], samples[after])[0, 1]
    assert 1 - similarity < 1e-4
    assert 1 - similarity < 0.1 * (1 - clipped)
    assert 0.9 < np.abs(scaled[after]).max() <= 1.0


def test_a_bang_does_not_silence_what_follows() -> None:
    samples = np.concatenate([tone(1.0, 100.0), tone(20.0, 0.5)])
    assert np.abs(leveled(FullScale(), samples)[-RATE:]).max() > 0.45


@pytest.mark.parametrize("level", [FullScale, FileLevel])
@pytest.mark.parametrize("peak", [0.003, 0.5, 5.0])
def test_the_division_of_the_audio_changes_no_level(level: type[Level], peak: float) -> None:
    samples = np.concatenate([tone(1.5, 0.1 * peak), tone(1.3, peak)])
    assert np.array_equal(leveled(level(), samples, 1234), leveled(level(), samples, len(samples)))


@pytest.mark.parametrize("peak_db", [-40, -55, -60, -70])
def test_a_quiet_file_is_raised_to_the_normal_peak(peak_db: float) -> None:
    samples = tone(peak=10 ** (peak_db / 20))
    raised = leveled(FileLevel(), samples)
    assert np.abs(raised).max() == pytest.approx(NORMAL_PEAK, rel=0.02)
    assert np.corrcoef(raised, samples)[0, 1] > 0.99999


def test_silence_stays_silence() -> None:
    assert not leveled(FileLevel(), np.zeros(3 * RATE, np.float32)).any()
    last_bit = np.random.default_rng(1).choice([0, 1 / 32768], 3 * RATE).astype(np.float32)
    assert np.abs(leveled(FileLevel(), last_bit)).max() <= MAX_GAIN / 32768


def test_a_pause_before_normal_speech_is_not_raised() -> None:
    samples = np.concatenate([tone(LOOK_AHEAD_S - 2, 0.001), tone(2.0, 0.5)])
    expected = np.rint(samples * 32768) / 32768
    assert np.array_equal(leveled(FileLevel(), samples), expected)


def test_the_gain_only_falls() -> None:
    samples = np.concatenate([tone(LOOK_AHEAD_S + 5, 0.001), tone(2.0, 0.005), tone(LOOK_AHEAD_S + 5, 0.001)])
    raised = leveled(FileLevel(), samples)
    gains = np.abs(raised.reshape(-1, RATE)).max(axis=1) / np.abs(samples.reshape(-1, RATE)).max(axis=1)
    assert gains[0] == pytest.approx(NORMAL_PEAK / 0.001, rel=0.02)
    assert gains[-1] == pytest.approx(NORMAL_PEAK / 0.005, rel=0.02)
    assert (np.diff(gains) < 0.2).all()


def test_speech_after_a_flush_in_silence_is_as_it_was() -> None:
    level = FileLevel()
    begin = level.feed(np.zeros(800, np.float32), 0) + level.flush()
    assert begin == bytes(1600)
    samples = tone()
    assert np.array_equal(leveled(level, samples), np.rint(samples * 32768) / 32768)


def test_a_click_does_not_keep_a_file_quiet() -> None:
    samples = tone(peak=0.001)
    samples[20000:20100] = 0.9
    raised = leveled(FileLevel(), samples)
    assert np.abs(raised[:19000]).max() == pytest.approx(NORMAL_PEAK, rel=0.02)
    assert np.abs(raised[-RATE // 2 :]).max() == pytest.approx(NORMAL_PEAK, rel=0.1)
