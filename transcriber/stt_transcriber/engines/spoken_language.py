"""The language of a request, the same for all engines: an engine says what it hears, and decodes in what is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core import language
from stt_transcriber.core.decoding import DecodeRequest, Weights

Text = TypeVar("Text")
Shares = Callable[[NDArray[np.float32] | None], Mapping[str, float]]
"""Function that returns the share of each language in some audio; None for that of the request itself."""


@dataclass(frozen=True)
class Detected:
    """Languages of a request before it is decoded. ``weights``, ``before``: see ``core/language.py``."""

    request: DecodeRequest
    weights: Weights
    before: Weights

    @property
    def rivals(self) -> tuple[str, ...]:
        """Languages to decode in; the first is the likeliest."""
        return language.rivals(self.request, self.weights)

    def choose(self, texts: Mapping[str, tuple[Text, float]]) -> "Chosen[Text]":
        """Choose among the rivals' texts, each with the mean log-probability of its tokens, -inf for a loop."""
        logprobs = {code: logprob for code, (_, logprob) in texts.items()}
        weights = language.with_texts(self.request, self.weights, logprobs)
        code = next(code for code in weights if code in texts)
        spoken = {} if self.request.language else language.remembered(self.request, weights, self.before)
        return Chosen(code, weights[code], spoken, texts[code][0])


@dataclass(frozen=True)
class Chosen(Generic[Text]):
    """Language and text of a request. ``spoken``: see ``Hypothesis``."""

    language: str
    probability: float
    spoken: Weights
    text: Text


def detect(request: DecodeRequest, shares: Shares) -> Detected:
    """Weigh the languages of a request; nothing is detected if it names the language."""
    if request.language is not None:
        return Detected(request, {request.language: 1.0}, {})
    before = request.spoken_before
    if request.language_samples is not None:
        before = language.weigh(request, shares(request.language_samples), {})
    return Detected(request, language.weigh(request, shares(None), before), before)
