"""Speech at random and models of it whose answers depend on all that they are asked, for tests of takeovers."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.frames import Frame, FrameKind, FrameMeta
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Quality, TimedWord
from support.takeover_runs import Draw


class SlowEar:
    """A VAD model with a long memory: after a fresh start it answers differently for seconds."""

    def __init__(self) -> None:
        self._level = np.float32(0.0)
        self._habit = np.float32(0.0)

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array([self._hear(np.abs(window).mean()) for window in samples.reshape(-1, 512)], np.float32)

    def _hear(self, loudness: np.float32) -> np.float32:
        self._level = np.float32(0.6) * self._level + np.float32(0.4) * loudness
        self._habit = np.float32(0.98) * self._habit + np.float32(0.02) * loudness
        return np.float32(1 / (1 + np.exp(-(self._level - np.float32(0.5) * self._habit - np.float32(0.03)) * 150)))

    def state(self) -> bytes:
        return np.array([self._level, self._habit], np.float32).tobytes()

    def restore(self, state: bytes) -> None:
        self._level, self._habit = np.frombuffer(state, np.float32)


def spoken(request: DecodeRequest) -> Hypothesis:
    """A model whose every answer depends on all that it is asked: audio to the sample, what was said before, prompt,
    language and how to detect it, quality."""
    asked = repr((request.prompt, request.language, request.spoken_before, request.voiced_s, request.keyterms))
    elsewhere = b"" if request.language_samples is None else request.language_samples.tobytes()
    earlier = request.earlier
    before = b"" if earlier is None else (earlier.text + earlier.language).encode() + earlier.samples.tobytes()
    key = zlib.crc32(request.samples.tobytes(), zlib.crc32(elsewhere + before, zlib.crc32(asked.encode())))
    draw = np.random.default_rng([key, request.quality is Quality.FULL])
    seconds = len(request.samples) / 16000
    count = 0 if draw.random() < 0.15 else max(1, round(seconds * 2))
    starts = np.linspace(0, seconds, count, endpoint=False)
    words = [TimedWord(f"w{draw.integers(500)}", at, at + 0.2, float(draw.uniform(0.3, 1))) for at in starts]
    if len(words) > 4 and draw.random() < 0.5:  # it passes over some, at the beginning, in the middle or at the end
        left_out = sorted(draw.integers(0, len(words) + 1, 2))
        words = words[: left_out[0]] + words[left_out[1] :]
    if words and draw.random() < 0.7:
        words[-1] = replace(words[-1], text=words[-1].text + str(draw.choice([".", ","])))
    return Hypothesis(
        " ".join(word.text for word in words),
        tuple(words),
        str(draw.choice(["en", "fr"])) if request.language is None else request.language,
        float(draw.random()),
        avg_logprob=float(draw.choice([-0.2, -2.0], p=[0.75, 0.25])),
        no_speech_prob=float(draw.choice([0.1, 0.7])),
        compression_ratio=1.0,
        truncated=bool(draw.random() < 0.15),
        spoken={} if request.language else {"en": float(draw.random()), "fr": float(draw.random())},
    )


def judged(samples: NDArray[np.float32]) -> float:
    """A turn model that is sure of something, always the same of the same audio."""
    return float(np.random.default_rng(zlib.crc32(samples.tobytes())).choice([0.1, 0.6, 0.99]))


def recording(draw: Draw, length_s: float, controls: float, levels: Sequence[float]) -> list[Frame]:
    """Speech and pauses of any length, noise between loud and quiet, frames of any length, controls among them."""
    parts: list[NDArray[np.float64]] = []
    while sum(map(len, parts)) < length_s * 16000:
        loud, length = draw.choice(levels), draw.choice([0.03, 0.1, 0.25, 0.4, 0.6, 1.0, 3.0])
        parts.append(draw.standard_normal(int(length * draw.uniform(0.7, 1.3) * 16000)) * loud)
    audio = np.clip(np.concatenate(parts) * 32768, -32768, 32767).astype(np.int16)
    frames: list[Frame] = []
    at = 0
    steady = draw.random() < 0.5
    while at < len(audio):
        samples = audio[at : at + (1600 if steady else int(draw.integers(1, 4000)))]
        meta = FrameMeta(received_ms=1.0, start_sample=at)
        frames.append(Frame(len(frames) + 1, FrameKind.AUDIO, samples.tobytes(), meta))
        at += len(samples)
        while draw.random() < controls:
            frames.append(Frame(len(frames) + 1, draw.choice([FrameKind.FINALIZE, FrameKind.IDLE])))
    return [*frames, Frame(len(frames) + 1, FrameKind.STOP)]
