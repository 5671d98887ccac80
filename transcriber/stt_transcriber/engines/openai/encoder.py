"""OpenAI's encoder on windows of any length, with silence spliced after them.

The package pads every window to 30 s. Its encoder is a stack of modules that accept any length; called one by one, they
need neither the padding nor a patched package. ``engines.ctranslate2.encoder`` explains why silence is appended.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import gelu
from whisper.audio import log_mel_spectrogram

from stt_transcriber.engines.window import MAX_SAMPLES, POSITION_SAMPLES, padded


class OpenAiEncoder:
    """Encoder of windows for one loaded model; may be called from several threads."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        self._encoder = model.encoder
        self._n_mels: int = model.dims.n_mels
        self._device = model.device
        self._dtype = dtype
        with torch.inference_mode():
            self._silence = self._encode(np.zeros(MAX_SAMPLES, np.float32))

    def encode(self, samples: NDArray[np.float32], pad_s: float, tail: int) -> torch.Tensor:
        """Encode at most 30 s of audio to [1, positions, d_model].

        ``pad_s``: seconds of zeros appended before the mel spectrogram is computed; ``tail``: positions of silence
        after it, as far as the model has positions.
        """
        window = padded(samples, pad_s)
        positions = len(window) // POSITION_SAMPLES
        return torch.cat([self._encode(window), self._silence[:, positions : positions + tail]], dim=1)

    def _encode(self, window: NDArray[np.float32]) -> torch.Tensor:
        mel = log_mel_spectrogram(torch.from_numpy(window).to(self._device), self._n_mels)
        x = mel[None].to(self._dtype)
        x = gelu(self._encoder.conv2(gelu(self._encoder.conv1(x)))).permute(0, 2, 1)
        x = (x + self._encoder.positional_embedding[: x.shape[1]]).to(x.dtype)
        for block in self._encoder.blocks:
            x = block(x)
        encoded: torch.Tensor = self._encoder.ln_post(x)
        return encoded
