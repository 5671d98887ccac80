"""A final that hears the speech before its own: only its own words come back, at their own times."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.hypothesis_checks import hear, word_error_rate
from support.recordings import read_audio

from stt_transcriber.core.decoding import DecodeRequest, EarlierSpeech, Hypothesis, Quality, TimedWord
from stt_transcriber.core.text.join import join_words
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]


def clips(corpus: list[dict[str, Any]], language: str, count: int) -> list[Audio]:
    rows = [row for row in corpus if row["lang"] == language and row["kind"] == "utterance" and row["text"]]
    rows = [row for row in rows if 6 < row["duration_s"] < 12][:count]
    if not rows:
        pytest.skip(f"the corpus has none in {language}")
    return [read_audio(row["file"]) for row in rows]


def full(samples: Audio, language: str | None = "en", **more: Any) -> DecodeRequest:
    return DecodeRequest(samples, language, quality=Quality.FULL, **more)


def cut_after(whole: Hypothesis, samples: Audio, share: float) -> tuple[int, list[TimedWord], list[TimedWord]]:
    """A cut between two words, and the words on either side."""
    count = next(at for at, word in enumerate(whole.words) if word.start_s > share * len(samples) / 16000)
    return int(whole.words[count].start_s * 16000), list(whole.words[:count]), list(whole.words[count:])


def earlier(samples: Audio, words: list[TimedWord]) -> EarlierSpeech:
    return EarlierSpeech(samples, " " + join_words(words), "en")


def test_only_the_words_after_the_cut_come_back_at_their_times(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]
) -> None:
    wrong_with = wrong_without = 0.0
    for samples in clips(corpus, "en", 4):
        cut, before, after = cut_after(hear(onnx_base, full(samples)), samples, 0.5)
        request = full(samples[cut:])
        heard = hear(onnx_base, replace(request, earlier=earlier(samples[:cut], before)))
        wrong_with += word_error_rate(join_words(after), heard.text)
        wrong_without += word_error_rate(join_words(after), hear(onnx_base, request).text)
        times = {word.text: word.start_s + cut / 16000 for word in heard.words}
        known = {word.text: word.start_s for word in after}
        shared = [text for text in known if text in times and [word.text for word in after].count(text) == 1]
        assert len(shared) >= len(after) / 2
        assert np.median([abs(times[text] - known[text]) for text in shared]) < 0.2
    assert wrong_with < wrong_without
    assert wrong_with < 0.2 * 4


def test_speech_in_another_language_is_not_heard_before_it(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]
) -> None:
    (english,), (french,) = clips(corpus, "en", 1), clips(corpus, "fr", 1)
    said = hear(onnx_base, full(english)).words
    request = full(french, None)
    alone = hear(onnx_base, request)
    assert alone.language == "fr"
    after = hear(onnx_base, replace(request, earlier=earlier(english[-5 * 16000 :], list(said))))
    assert after == alone


def test_the_language_of_what_follows_is_detected_and_found_the_same(
    onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]
) -> None:
    (samples,) = clips(corpus, "en", 1)
    cut, before, _ = cut_after(hear(onnx_base, full(samples)), samples, 0.5)
    given = hear(onnx_base, full(samples[cut:], earlier=earlier(samples[:cut], before)))
    detected = hear(onnx_base, full(samples[cut:], None, earlier=earlier(samples[:cut], before)))
    assert (detected.language, detected.words) == ("en", given.words)


def test_words_that_would_leave_too_little_room_are_not_told(onnx_tiny: OnnxWhisperEngine, beckett: Audio) -> None:
    samples = np.concatenate([beckett] * 3)[: 20 * 16000]
    request = full(samples)
    told = EarlierSpeech(samples[: 5 * 16000], " x" * 150, "en")
    assert hear(onnx_tiny, replace(request, earlier=told)) == hear(onnx_tiny, request)


def test_silence_after_speech_is_still_silence(onnx_base: OnnxWhisperEngine, corpus: list[dict[str, Any]]) -> None:
    (samples,) = clips(corpus, "en", 1)
    said = list(hear(onnx_base, full(samples)).words)
    silence = (np.random.default_rng(0).standard_normal(32000) * 1e-4).astype(np.float32)
    after = hear(onnx_base, full(silence, earlier=earlier(samples[-5 * 16000 :], said[-10:])))
    assert after.no_speech_prob > 0.6
