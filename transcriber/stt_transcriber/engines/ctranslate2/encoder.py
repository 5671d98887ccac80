"""Encoder of only the audio that exists; the decoder still sees the silence that it was trained to end on.

Whisper was trained on 30 s windows. Padding every window to 30 s costs eight times what its audio needs; without
padding, stock weights loop. So part of one cached encoding of 30 s of silence is appended to the window's own:

    E = concat(encode(window + pad), E_silence[n : n + tail])        n: positions of the window and its padding
"""

import ctranslate2
import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from stt_transcriber.engines.window import MAX_POSITIONS, MAX_SAMPLES, POSITION_SAMPLES, padded

Encoding = NDArray[np.float32]
"""float32 [1, positions, d_model]."""


def spliced_end(positions: int, tail: int, n_mels: int) -> int:
    """Return the position at which the spliced encoding ends.

    Never returns ``n_mels``: CTranslate2 distinguishes features from encoder output by that very number, and would
    encode such an encoding once more.
    """
    end = min(positions + tail, MAX_POSITIONS)
    return end + 1 if end == n_mels else end


class SplicedEncoder:
    """Encoder of windows for one loaded model; may be called from several threads."""

    def __init__(self, model: ctranslate2.models.Whisper) -> None:
        self._model = model
        self._n_mels: int = model.n_mels
        self._features = FeatureExtractor(feature_size=self._n_mels)
        self._silence = self._encode(np.zeros(MAX_SAMPLES, np.float32))

    def encode(self, samples: NDArray[np.float32], pad_s: float, tail: int) -> Encoding:
        """Encode a window and append silence.

        ``samples``: float32 [n], at most 30 s; ``pad_s``: seconds of zeros appended before the mel spectrogram is
        computed; ``tail``: positions of silence.
        """
        window = padded(samples, pad_s)
        positions = len(window) // POSITION_SAMPLES
        encoded = self._encode(window)
        end = spliced_end(positions, tail, self._n_mels)
        return encoded if end == positions else np.concatenate([encoded, self._silence[:, positions:end]], axis=1)

    def part(self, encoding: Encoding, begin: int, end: int, samples: int) -> Encoding:
        """Return the part of an encoding of ``samples`` between two offsets in samples, and the silence after it."""
        kept = encoding[:, begin // POSITION_SAMPLES : end // POSITION_SAMPLES]
        after = encoding[:, samples // POSITION_SAMPLES :]
        if kept.shape[1] + after.shape[1] == self._n_mels:
            after = after[:, 1:]  # see ``spliced_end``
        return np.ascontiguousarray(np.concatenate([kept, after], axis=1))

    def _encode(self, window: NDArray[np.float32]) -> Encoding:
        # The extractor's own padding would add half a position, and give an odd number of frames.
        features = np.ascontiguousarray(self._features(window, padding=0)[None], dtype=np.float32)
        output = self._model.encode(ctranslate2.StorageView.from_array(features), to_cpu=True)
        # On a GPU, activations may be bfloat16, which NumPy does not support.
        return np.array(output.to(ctranslate2.DataType.float32))
