"""Two voices on the channels of one recording, made from sines: each with pauses of its own."""

import numpy as np
from numpy.typing import NDArray

RATE = 16000


def talker(pitch: float, seed: int, duration_s: float = 8.0, level: float = 0.02) -> NDArray[np.float32]:
    """float32 [n]: syllables of a buzzing voice, four a second, with pauses of a second."""
    moments = np.arange(int(RATE * duration_s)) / RATE
    draw = np.random.default_rng(seed)
    buzz = sum(np.sin(2 * np.pi * n * pitch * moments + draw.uniform(0, 6)) / n**0.5 for n in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 4 * moments + draw.uniform(0, 6)), 0, 1) ** 2
    speaks = np.sin(2 * np.pi * moments / 4 + 2 * seed) > -0.5
    return (level * buzz * syllables * speaks * (moments > 0.5) + draw.normal(0, 1e-4, len(moments))).astype(np.float32)


def one() -> NDArray[np.float32]:
    """Return the first voice."""
    return talker(130, 1)


def other() -> NDArray[np.float32]:
    """Return the second voice."""
    return talker(190, 2)
