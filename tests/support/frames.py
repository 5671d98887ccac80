"""Frames of a session's audio."""

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta


def frames_of(audio: NDArray[np.float32], samples_each: int = 1600) -> list[Frame]:
    """Frames as the audio-processor makes them, and STOP."""
    samples = np.clip(np.round(audio * 32768), -32768, 32767).astype(np.int16)
    frames = [
        Frame(seq, FrameKind.AUDIO, samples[at : at + samples_each].tobytes(), FrameMeta(1.0, at))
        for seq, at in enumerate(range(0, len(samples), samples_each), start=1)
    ]
    return [*frames, Frame(len(frames) + 1, FrameKind.STOP)]
