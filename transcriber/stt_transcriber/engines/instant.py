"""Engine that answers instantly, to measure the cost of everything but the model.

It ignores the audio and returns a fixed word for each second. It needs no model files and is useless for transcription.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TimedWord
from stt_transcriber.engines.request import check_request, empty_hypothesis

WORD = "word"


class InstantEngine:
    """Engine that returns fixed words; see ``Engine``."""

    name: str = EngineName.INSTANT
    max_batch = 8
    is_multilingual = False
    languages: tuple[str, ...] = ("en",)
    biased_by_keyterms = False
    # It ignores earlier speech, but what is kept for it is part of the cost.
    hears_earlier = True

    def __init__(self, model: str, parallel: int) -> None:
        self.model = model
        self.parallel = parallel

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """Return one fixed hypothesis per request; see ``Engine``."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: DecodeRequest) -> Hypothesis:
        check_request(request, self.languages)
        if not len(request.samples):
            return empty_hypothesis(request)
        end_s = len(request.samples) / AUDIO_RATE_HZ
        words = tuple(TimedWord(WORD, second, min(second + 1, end_s), 1.0) for second in range(math.ceil(end_s)))
        return Hypothesis(" ".join([WORD] * len(words)), words, "en", 1.0, 0.0, 0.0, 1.0)


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> InstantEngine:
    """Create the engine; there is no model to load."""
    return InstantEngine(model, workers)
