"""Voice activity models on made sounds; Silero's weights lie in a package, so no network is needed."""

from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from stt_transcriber.vad import models
from stt_transcriber.vad.models import RmsVad, SileroVad, VadFactory, load_vad

pytestmark = pytest.mark.unit
WINDOW = 512


@pytest.fixture(params=["silero", "rms"])
def new_vad(request: pytest.FixtureRequest) -> VadFactory:
    return load_vad(request.param)


def sound(windows: int, loudness: float = 0.1, seed: int = 1, depth: float = 0.8) -> Any:
    """Noise whose loudness wavers, so that every window has its own probability."""
    noise = np.random.default_rng(seed).standard_normal(windows * WINDOW)
    wave = 1 + depth * np.sin(np.arange(windows * WINDOW) / 3000)
    return (noise * wave * loudness).astype(np.float32)


def test_many_windows_in_one_call_are_as_one_by_one(new_vad: VadFactory) -> None:
    samples = sound(40)
    whole, split = new_vad(), new_vad()
    at_once = np.concatenate([whole.probabilities(samples[: 7 * WINDOW]), whole.probabilities(samples[7 * WINDOW :])])
    one_by_one = np.concatenate([split.probabilities(window) for window in samples.reshape(-1, WINDOW)])
    np.testing.assert_allclose(at_once, one_by_one, atol=1e-5)
    assert at_once.dtype == np.float32
    assert at_once.shape == (40,)
    assert np.ptp(at_once) > 0.001


def test_state_is_carried_and_can_be_put_back(new_vad: VadFactory) -> None:
    samples = sound(20, 0.006)
    vad = new_vad()
    vad.probabilities(sound(40, 0.001, seed=2))
    saved = vad.state()
    expected = vad.probabilities(samples)
    other = new_vad()
    fresh = other.probabilities(samples)
    other.restore(saved)
    np.testing.assert_array_equal(other.probabilities(samples), expected)
    assert not np.array_equal(fresh, expected)


def test_streams_do_not_disturb_each_other(new_vad: VadFactory) -> None:
    samples = sound(10)
    alone = new_vad().probabilities(samples)
    one, other = new_vad(), new_vad()
    mixed = []
    for window in samples.reshape(-1, WINDOW):
        mixed.append(one.probabilities(window))
        other.probabilities(sound(1, loudness=0.5, seed=9))
    np.testing.assert_allclose(np.concatenate(mixed), alone, atol=1e-5)


def test_silence_is_no_voice(new_vad: VadFactory) -> None:
    assert new_vad().probabilities(np.zeros(30 * WINDOW, np.float32)).max() < 0.3


def test_the_input_is_left_alone(new_vad: VadFactory) -> None:
    samples = sound(4)
    before = samples.copy()
    new_vad().probabilities(samples)
    np.testing.assert_array_equal(samples, before)


def test_a_part_of_a_window_is_refused_and_no_window_is_no_probability(new_vad: VadFactory) -> None:
    with pytest.raises(ValueError, match="512"):
        new_vad().probabilities(np.zeros(700, np.float32))
    assert len(new_vad().probabilities(np.zeros(0, np.float32))) == 0


def test_rms_tells_loud_from_the_floor_and_gets_used_to_noise() -> None:
    vad = RmsVad()
    hiss, voice = sound(60, 0.003, depth=0.2), sound(30, 0.1)
    assert vad.probabilities(hiss).max() < 0.3
    assert vad.probabilities(voice).min() > 0.5
    assert vad.probabilities(hiss)[10:].max() < 0.3
    fan = sound(2000, 0.02, seed=3, depth=0.2)
    assert vad.probabilities(fan)[-100:].max() < 0.5


def test_without_silero_it_says_so_and_uses_rms(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(load_vad("silero")(), SileroVad)
    monkeypatch.setattr(models, "silero_path", lambda: None)
    with capture_logs() as logs:
        factory = load_vad("silero")
    assert isinstance(factory(), RmsVad)
    assert [entry["log_level"] for entry in logs] == ["warning"]
