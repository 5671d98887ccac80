"""Engine that answers at once, with as many words as there are seconds."""

from collections.abc import Sequence

from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, TimedWord
from stt_transcriber.engines.base import EngineError


class WordASecond:
    """Says one word for each second of audio, at once. ``broken``: it fails; ``lengths``: seconds of each decode."""

    name = "fake"
    model = "fake"
    parallel = 2
    max_batch = 4
    is_multilingual = False
    biased_by_keyterms = False
    hears_earlier = False
    languages = ("en",)

    def __init__(self) -> None:
        self.broken = False
        self.lengths: list[float] = []

    def decode(self, requests: Sequence[DecodeRequest]) -> list[Hypothesis]:
        return [self._decode(request) for request in requests]

    def _decode(self, request: DecodeRequest) -> Hypothesis:
        if self.broken:
            raise EngineError("the model is gone")
        seconds = len(request.samples) / 16000
        self.lengths.append(seconds)
        words = tuple(TimedWord(f"w{i}", i + 0.1, i + 0.9, 0.9) for i in range(max(1, round(seconds))))
        return Hypothesis(" ".join(word.text for word in words), words, "en", 1.0, -0.1, 0.0, 1.0)
