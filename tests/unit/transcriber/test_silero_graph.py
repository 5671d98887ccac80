"""Silero's network as products of matrices gives what its own file gives."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from stt_transcriber.vad.models import silero_path
from stt_transcriber.vad.silero_graph import silero_graph

pytestmark = pytest.mark.unit
Floats = NDArray[np.float32]
ZERO = np.zeros((1, 1, 128), np.float32)


@pytest.fixture(scope="module")
def theirs() -> Any:
    return onnxruntime.InferenceSession(str(silero_path()), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def ours() -> Any:
    path = silero_path()
    assert path is not None
    return onnxruntime.InferenceSession(silero_graph(path), providers=["CPUExecutionProvider"])


def heard(model: Any, windows: Floats, h: Floats = ZERO, c: Floats = ZERO) -> list[Floats]:
    outputs: list[Floats] = model.run(["speech_probs", "hn", "cn"], {"input": windows, "h": h, "c": c})
    return [outputs[0].reshape(-1), *outputs[1:]]


def hummed(windows: int) -> Floats:
    """A hum that swells, louder and quieter than the noise around it, so that the network is of every opinion."""
    at = np.arange(windows * 512 + 64)
    hum = sum(np.sin(at * 2 * np.pi * 140 * overtone / 16000) / overtone for overtone in range(1, 20))
    swell = np.sin(at / 9000) ** 4
    noise = np.random.default_rng(1).standard_normal(len(at))
    sound = (0.2 * hum * swell + 0.002 * noise).astype(np.float32)
    return np.stack([sound[begin : begin + 576] for begin in range(0, windows * 512, 512)])


def test_it_hears_what_the_file_hears(ours: Any, theirs: Any) -> None:
    windows = hummed(200)
    expected = heard(theirs, windows)
    for mine, other in zip(heard(ours, windows), expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)
    assert expected[0].min() < 0.2
    assert expected[0].max() > 0.5


def test_a_window_hangs_on_none_that_goes_along(ours: Any) -> None:
    windows = hummed(40)
    at_once = heard(ours, windows)
    h, c, one_by_one = ZERO, ZERO, []
    for window in windows:
        probability, h, c = heard(ours, window[None], h, c)
        one_by_one.append(probability[0])
    np.testing.assert_array_equal(one_by_one, at_once[0])
    np.testing.assert_array_equal(h, at_once[1])
    np.testing.assert_array_equal(c, at_once[2])
