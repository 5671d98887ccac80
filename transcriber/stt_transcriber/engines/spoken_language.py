"""The language of a request, the same for all engines: an engine says what it hears, and decodes in what is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from stt_transcriber.core import language
from stt_transcriber.core.decoding import DecodeRequest, Hypothesis, Weights
from stt_transcriber.engines.request import empty_hypothesis

Text = TypeVar("Text")


class Sound(Protocol):
    """What an engine hears of a request."""

    def whole(self) -> Mapping[str, float]:
        """Return the share of each language in the request's audio."""
        ...

    def stretch(self, begin: int, end: int) -> Mapping[str, float]:
        """Return the share of each language in a part of it, from its encoding; offsets in samples."""
        ...

    def other(self, samples: NDArray[np.float32]) -> Mapping[str, float]:
        """Return the share of each language in other audio."""
        ...


@dataclass(frozen=True)
class Detected:
    """Languages of a request before it is decoded. ``weights``, ``before``: see ``core/language.py``.

    ``changes_at``: see ``Hypothesis``; then there is nothing to decode.
    """

    request: DecodeRequest
    weights: Weights
    before: Weights
    changes_at: int | None = None

    @property
    def rivals(self) -> tuple[str, ...]:
        """Languages to decode in; the first is the likeliest."""
        return () if self.changes_at is not None else language.rivals(self.request, self.weights)

    def undecoded(self) -> Hypothesis:
        """Return the hypothesis for a request in which the language changes."""
        return replace(empty_hypothesis(self.request), changes_at=self.changes_at)

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


def detect(request: DecodeRequest, sound: Sound) -> Detected:
    """Weigh the languages of a request; nothing is detected if it names the language."""
    if request.language is not None:
        return Detected(request, {request.language: 1.0}, {})
    stretches = request.stretches
    if stretches:
        changed = language.change(request, [sound.stretch(*stretch) for stretch in stretches])
        if changed is not None:
            return Detected(request, {}, {}, (stretches[changed - 1][1] + stretches[changed][0]) // 2)
    before = request.spoken_before
    if request.language_samples is not None:
        before = language.weigh(request, sound.other(request.language_samples), {})
    return Detected(request, language.weigh(request, sound.whole(), before), before)
