"""How windows are cut for Whisper's encoder, whatever library runs it. Pure."""

from dataclasses import dataclass

from stt_transcriber.core.hypothesis import SAMPLE_RATE

MAX_POSITIONS = 1500
POSITION_SAMPLES = 320
"""Samples of one encoder position: two mel frames of 10 ms."""
POSITIONS_PER_S = SAMPLE_RATE / POSITION_SAMPLES
MAX_SAMPLES = MAX_POSITIONS * POSITION_SAMPLES


def padded_positions(sample_count: int, pad_s: float) -> int:
    """Encoder positions of that much audio and its pad, 1…1500."""
    samples = sample_count + round(pad_s * SAMPLE_RATE)
    return min(max(1, -(-samples // POSITION_SAMPLES)), MAX_POSITIONS)


@dataclass(frozen=True)
class Recipe:
    """How a window is encoded and decoded."""

    pad_s: float
    tail_positions: int
    beam_size: int
