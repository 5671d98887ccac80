"""Audio that says its own transcript: every frame of 100 ms carries its index, and an engine reads it back.

A frame is 60 ms of code and 40 ms of digital silence, 1600 samples of int16 at 16 kHz. The code is 40 blocks of 24
samples: 8 of a fixed pattern, 24 bits of index, 8 bits of checksum. A loud block is a one, a quieter block a zero;
both are loud enough for the voice gate, and none of their samples is zero, so a code is a run of 960 samples between
zeros. A code of which any part is missing says nothing: there are no half words.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TimedWord
from stt_transcriber.engines.request import check_request, empty_hypothesis

FRAME_SAMPLES = 1600
CODE_SAMPLES = 960
_BLOCK = 24
_LOUD, _QUIET = 12_000, 5_000
_SYNC = (1, 0, 1, 1, 0, 0, 1, 0)
_INDEX_BITS = 24


def word(index: int) -> str:
    """What the engine says of frame ``index``."""
    return f"w{index:06d}"


def index_of(text: str) -> int | None:
    """The frame that a word stands for; None for a word that the engine never says."""
    return int(text[1:]) if text[:1] == "w" and text[1:].isdigit() else None


def frame(index: int) -> NDArray[np.int16]:
    """int16 [1600]."""
    bits = [*_SYNC, *_bits_of(index, _INDEX_BITS), *_bits_of(_checksum(index), 8)]
    levels = np.repeat(np.where(np.array(bits), _LOUD, _QUIET), _BLOCK)
    signs = np.where(np.arange(CODE_SAMPLES) % 2, -1, 1)
    return np.concatenate([levels * signs, np.zeros(FRAME_SAMPLES - CODE_SAMPLES)]).astype(np.int16)


@dataclass(frozen=True)
class Speech:
    """``samples`` int16 [n]; ``starts_ms``: where each word begins, by its index, in their order."""

    samples: NDArray[np.int16]
    starts_ms: dict[int, int]


def speech(utterances: Sequence[int], gaps_ms: Sequence[int]) -> Speech:
    """Utterances of so many frames; before each the gap of the same place, in ms, and a second of
    silence after the last."""
    parts: list[NDArray[np.int16]] = []
    starts: list[int] = []
    at = 0
    for frames, gap_ms in zip(utterances, gaps_ms, strict=True):
        parts.append(np.zeros(gap_ms * AUDIO_RATE_HZ // 1000, np.int16))
        at += len(parts[-1])
        for _ in range(frames):
            parts.append(frame(len(starts)))
            starts.append(at * 1000 // AUDIO_RATE_HZ)
            at += FRAME_SAMPLES
    parts.append(np.zeros(AUDIO_RATE_HZ, np.int16))
    return Speech(np.concatenate(parts), dict(enumerate(starts)))


def heard(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """The whole codes in a window of int16 [n]: (index, position of its first sample), in their order."""
    sounding = np.concatenate(([0], (samples != 0).view(np.int8), [0]))
    edges = np.flatnonzero(np.diff(sounding))
    found = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        index = _index(samples[begin:end]) if end - begin == CODE_SAMPLES else None
        if index is not None:
            found.append((index, begin))
    return found


def _index(code: NDArray[np.int16]) -> int | None:
    levels = np.abs(code.astype(np.int32)).reshape(-1, _BLOCK).mean(axis=1)
    bits = (levels > (_LOUD + _QUIET) / 2).astype(int).tolist()
    index = _number(bits[len(_SYNC) : -8])
    return index if tuple(bits[: len(_SYNC)]) == _SYNC and _number(bits[-8:]) == _checksum(index) else None


def _bits_of(number: int, count: int) -> list[int]:
    return [number >> bit & 1 for bit in range(count)]


def _number(bits: Sequence[int]) -> int:
    return sum(bit << place for place, bit in enumerate(bits))


def _checksum(index: int) -> int:
    return (index * 167 + (index >> 8) * 29 + (index >> 16) * 7 + 90) & 0xFF


class OracleEngine:
    """See ``Engine``. Says one word per whole frame in the window, and takes ``decode_s`` for it."""

    name = "oracle"
    max_batch = 8
    is_multilingual = False
    biased_by_keyterms = False
    hears_earlier = False
    languages: tuple[str, ...] = ("en",)

    def __init__(self, model: str, parallel: int, decode_s: float) -> None:
        self.model = model
        self.parallel = parallel
        self._decode_s = decode_s

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """See ``Engine``."""
        time.sleep(self._decode_s)
        return [self._answer(request) for request in requests]

    def _answer(self, request: DecodeRequest) -> Hypothesis:
        check_request(request, self.languages)
        samples = np.round(request.samples * 32768).astype(np.int16)
        words = tuple(
            TimedWord(word(index), at / AUDIO_RATE_HZ, (at + CODE_SAMPLES) / AUDIO_RATE_HZ, 1.0)
            for index, at in heard(samples)
        )
        if not words:
            return empty_hypothesis(request)
        return Hypothesis(" ".join(spoken.text for spoken in words), words, "en", 1.0, 0.0, 0.0, 1.0)


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> OracleEngine:
    """Nothing to load. ORACLE_DECODE_MS: what a decode takes."""
    return OracleEngine(model, workers, float(os.environ.get("ORACLE_DECODE_MS", "5")) / 1000)
