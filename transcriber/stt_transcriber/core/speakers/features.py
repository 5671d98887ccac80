"""Log-mel features as Kaldi computes them, for models that were trained on those."""

import functools

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ

Floats = NDArray[np.float32]

FRAME_SHIFT = AUDIO_RATE_HZ // 100
"""Samples from one frame to the next."""
FRAME_LENGTH = AUDIO_RATE_HZ // 40
MELS = 80
_FFT = 512
_PRE_EMPHASIS = 0.97
_LOWEST_HZ = 20.0
_FLOOR = np.float32(1.1920929e-07)
"""Least energy, the epsilon of a float32."""


def kaldi_features(samples: Floats) -> Floats:
    """Return float32 [1 + (n - 400) // 160, 80] for ``samples``, float32 [n] at 16 kHz in -1…1, n at least 400.

    Kaldi's ``compute-fbank-feats`` (feat/feature-fbank.cc, feature-window.cc) with a Hamming window, 80 mel bins, no
    dither and no energy, for 16-bit amplitudes; frames that would reach past the end are left out. Raises ValueError
    for fewer samples.
    """
    if len(samples) < FRAME_LENGTH:
        raise ValueError(f"{len(samples)} samples: at least {FRAME_LENGTH} make a frame")
    frames = np.lib.stride_tricks.sliding_window_view(samples * np.float32(32768.0), FRAME_LENGTH)[::FRAME_SHIFT]
    frames = frames - frames.mean(axis=1, keepdims=True)
    # The sample before the first one counts as equal to it.
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    windowed = (frames - np.float32(_PRE_EMPHASIS) * before) * np.hamming(FRAME_LENGTH).astype(np.float32)
    power = np.abs(np.fft.rfft(windowed, _FFT)) ** 2
    energies = power.astype(np.float32) @ _mel_filters()
    return np.asarray(np.log(np.maximum(energies, _FLOOR)), np.float32)


@functools.cache
def _mel_filters() -> Floats:
    """Return the triangular filters, float32 [257, 80], evenly spaced in mels (feat/mel-computations.cc)."""
    edges = np.linspace(_mels(_LOWEST_HZ), _mels(AUDIO_RATE_HZ / 2), MELS + 2)
    bins = _mels(np.arange(_FFT // 2 + 1) * AUDIO_RATE_HZ / _FFT)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


def _mels(hz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1127.0 * np.log1p(np.asarray(hz) / 700.0))
