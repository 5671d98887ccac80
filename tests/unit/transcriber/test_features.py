"""Kaldi's features, compared with those of another implementation (kaldi-native-fbank 1.22)."""

import numpy as np
import pytest

from stt_transcriber.core.speakers.features import kaldi_features

pytestmark = pytest.mark.unit


def test_the_features_are_kaldis() -> None:
    n = np.arange(1200)
    samples = (0.3 * np.sin(n * n * 0.0004) + 0.05 * np.cos(n * 0.9)).astype(np.float32)
    features = kaldi_features(samples)
    assert features.shape == (6, 80)
    bins = [0, 1, 10, 20, 40, 60, 79]
    assert features[0, bins] == pytest.approx([16.000, 14.322, 21.483, 21.352, 13.873, 10.465, 9.525], abs=0.002)
    assert features[-1, bins] == pytest.approx([13.079, 13.526, 13.329, 14.334, 25.141, 14.618, 13.782], abs=0.002)


def test_silence_has_finite_features_and_too_little_audio_is_refused() -> None:
    assert np.isfinite(kaldi_features(np.zeros(400, np.float32))).all()
    with pytest.raises(ValueError, match="at least 400"):
        kaldi_features(np.zeros(399, np.float32))
