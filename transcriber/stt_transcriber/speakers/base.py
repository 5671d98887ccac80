"""Interface of a model that tells voices apart; another model is another module with a ``load`` function."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core.audio.vad_track import Span

Floats = NDArray[np.float32]


class SpeakerModel(Protocol):
    """Loaded model; may be used by several threads."""

    def voices(self, samples: Floats, windows: Sequence[Span]) -> Floats:
        """Return the voice in each window, float32 [n, d] of unit length: the more alike, the higher their cosine.

        ``samples``: float32 [m], 16 kHz in -1…1. ``windows``: ranges of samples in it, in order, each at least 0.1 s.
        The same audio and windows give the same voices.
        """
        ...
