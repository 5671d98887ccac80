"""Checks that every engine's hypotheses must pass."""

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer

from stt_transcriber.core.decoding import DecodeRequest, Hypothesis
from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.base import Engine
from support.recordings import BECKETT_TEXT

_normalise = BasicTextNormalizer()


def hear(engine: Engine, request: DecodeRequest) -> Hypothesis:
    """One request, decoded alone."""
    (heard,) = engine.decode([request])
    return heard


def word_error_rate(reference: str, text: str) -> float:
    return float(jiwer.wer(_normalise(reference), _normalise(text)))


def assert_is_beckett(text: str) -> None:
    # One word of thirteen may differ: small models waver at the first, and kernels differ between processors.
    assert word_error_rate(BECKETT_TEXT, text) < 0.1, text


def assert_times_sound(hypothesis: Hypothesis, duration_s: float) -> None:
    """Words rise in time, lie inside the audio and are the text."""
    edges = [edge for word in hypothesis.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert all(0.0 <= edge <= duration_s for edge in edges)
    assert all(0.0 <= word.probability <= 1.0 for word in hypothesis.words)
    assert join_words(hypothesis.words) == hypothesis.text
