"""What the encoder makes of a request's audio, and the languages heard in it."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np

from stt_transcriber.core.decoding import DecodeRequest
from stt_transcriber.engines.onnx.model import Encoding, Floats, OnnxWhisper
from stt_transcriber.engines.window import POSITION_SAMPLES, Recipe

Shares = Callable[[OnnxWhisper, Encoding], Mapping[str, float]]


class RequestSound:
    """Sound of a request, which is a ``Sound``; each encoding is computed once, when it is needed.

    ``shares``: tells the share of each language in an encoding.
    """

    def __init__(self, whisper: OnnxWhisper, recipe: Recipe, request: DecodeRequest, shares: Shares) -> None:
        self._whisper = whisper
        self._recipe = recipe
        self._request = request
        self._shares = shares
        earlier = request.earlier.samples if request.earlier is not None else request.samples[:0]
        # Whole positions, so that the request's own audio begins at one.
        self._earlier = earlier[len(earlier) % POSITION_SAMPLES :]

    @cached_property
    def own(self) -> Encoding:
        """Encoding of the request's samples."""
        return self._encode(self._request.samples)

    @cached_property
    def with_earlier(self) -> Encoding:
        """Encoding of the earlier speech and the request's samples together."""
        return self._encode(np.concatenate([self._earlier, self._request.samples]))

    @property
    def earlier_positions(self) -> int:
        """Number of positions of the earlier speech; 0 if there is none."""
        return len(self._earlier) // POSITION_SAMPLES

    def whole(self) -> Mapping[str, float]:
        """Return the share of each language in the request's samples."""
        if not self.earlier_positions:
            return self._shares(self._whisper, self.own)
        encoding = self.with_earlier
        return self._shares(self._whisper, encoding.between(self.earlier_positions, encoding.positions))

    def stretch(self, begin: int, end: int) -> Mapping[str, float]:
        """Return the share of each language in a part of them."""
        return self._shares(self._whisper, self.own.between(begin // POSITION_SAMPLES, end // POSITION_SAMPLES))

    def other(self, samples: Floats) -> Mapping[str, float]:
        """Return the share of each language in other audio."""
        return self._shares(self._whisper, self._encode(samples))

    def _encode(self, samples: Floats) -> Encoding:
        return self._whisper.encode(samples, self._recipe.pad_s, self._recipe.tail_positions)
