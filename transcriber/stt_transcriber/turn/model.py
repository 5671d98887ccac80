"""Smart Turn: the probability that a speaker who pauses has finished, from the sound of the last seconds.

The network (version 3.2, BSD 2-Clause, by Daily) is Whisper tiny's encoder with a small head, for 23 languages. It gets
the log-mel spectrogram of eight seconds, the end of the speech at its end; shorter audio is preceded by silence.
"""

from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.models.registry import TURN_MODEL, TURN_MODEL_FILE
from stt_transcriber.models.store import ModelError, resolve

_log = structlog.get_logger()

_SAMPLES = 8 * AUDIO_RATE_HZ
_LEAST_VARIANCE = 1e-7

Floats = NDArray[np.float32]


class TurnModel:
    """A loaded turn model. ``probability`` may be called from several threads at once."""

    def __init__(self, file: Path) -> None:
        import onnxruntime
        from faster_whisper.feature_extractor import FeatureExtractor

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._features: Any = FeatureExtractor()

    def probability(self, samples: Floats) -> float:
        """Return the probability, 0–1, that the speaker has finished.

        ``samples``: float32 [n], 16 kHz in -1…1, of the turn up to now; only the last eight seconds count.
        """
        (output,) = self._session.run(None, {"input_features": self.features(samples)[None]})
        return float(output.reshape(-1)[0])

    def features(self, samples: Floats) -> Floats:
        """Return the log-mel spectrogram of ``samples``, float32 [80, 800], normalised as in training."""
        heard = samples[-_SAMPLES:]
        window = np.concatenate([np.zeros(_SAMPLES - len(heard), np.float32), heard])
        # Zero mean and unit variance of the waveform, silence included, as transformers' WhisperFeatureExtractor.
        window = (window - window.mean()) / np.sqrt(window.var() + _LEAST_VARIANCE)
        mel: Floats = self._features(window, padding=0)
        return mel


def load_turn_model(models_dir: Path) -> TurnModel | None:
    """Load the model from the store; None, with a warning, if it is not installed or cannot be run."""
    try:
        return TurnModel(resolve(TURN_MODEL, models_dir) / TURN_MODEL_FILE)
    except (ModelError, ImportError) as error:
        _log.warning("no turn model, pauses are judged by their text alone", cause=str(error))
        return None
