"""Sizes and padding of windows for Whisper's encoder, whatever library runs it. Pure functions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import Quality

MAX_POSITIONS = 1500
POSITION_SAMPLES = 320
"""Samples per encoder position: two mel frames of 10 ms each."""
POSITIONS_PER_S = AUDIO_RATE_HZ / POSITION_SAMPLES
MAX_SAMPLES = MAX_POSITIONS * POSITION_SAMPLES


def padded(samples: NDArray[np.float32], pad_s: float) -> NDArray[np.float32]:
    """Append ``pad_s`` seconds of zeros to ``samples``, float32 [n], at most 30 s.

    The result is a whole number of positions long, 1…1500.
    """
    wanted = len(samples) + round(pad_s * AUDIO_RATE_HZ)
    positions = min(max(1, -(-wanted // POSITION_SAMPLES)), MAX_POSITIONS)
    window = np.zeros(positions * POSITION_SAMPLES, np.float32)
    window[: len(samples)] = samples[: len(window)]
    return window


@dataclass(frozen=True)
class Recipe:
    """Parameters for encoding and decoding a window."""

    pad_s: float
    tail_positions: int
    beam_size: int


RECIPES = {
    Quality.DRAFT: Recipe(pad_s=2.0, tail_positions=400, beam_size=1),
    Quality.FULL: Recipe(pad_s=1.0, tail_positions=1500, beam_size=5),
    Quality.FILE: Recipe(pad_s=1.0, tail_positions=1500, beam_size=3),
}
"""Recipes for encoders that do not see the silence after the padding. Measured: a shorter tail makes decoding
cheaper."""
