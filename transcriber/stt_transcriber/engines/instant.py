"""An engine that answers at once, for measuring what everything but the model costs.

It does not listen: whatever it is given, it says one fixed word that fills the audio. It needs no model files, and is
of no use to anybody who wants to know what was said.
"""

from collections.abc import Sequence
from pathlib import Path

from stt_shared.contracts.engines import EngineName
from stt_transcriber.core.decoding import SAMPLE_RATE, DecodeRequest, Hypothesis, TimedWord
from stt_transcriber.engines.request import check_request, nothing_heard

WORD = "word"


class InstantEngine:
    """See ``Engine``."""

    name: str = EngineName.INSTANT
    max_batch = 8
    is_multilingual = False
    languages: tuple[str, ...] = ("en",)

    def __init__(self, model: str, parallel: int) -> None:
        self.model = model
        self.parallel = parallel

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        """See ``Engine``."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: DecodeRequest) -> Hypothesis:
        check_request(request, self.languages)
        if not len(request.samples):
            return nothing_heard(request)
        spoken = TimedWord(WORD, 0.0, len(request.samples) / SAMPLE_RATE, 1.0)
        return Hypothesis(WORD, (spoken,), "en", 1.0, 0.0, 0.0, 1.0)


def load(
    model: str, models_dir: Path, *, device: str, compute_type: str, workers: int, threads: int, max_batch: int
) -> InstantEngine:
    """Nothing to load."""
    return InstantEngine(model, workers)
