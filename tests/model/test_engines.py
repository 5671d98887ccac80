"""Promises of every engine, on real weights: each test runs on each engine."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.hypothesis_checks import assert_is_beckett, assert_times_sound, hear, word_error_rate
from support.recordings import read_audio

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines.base import Engine, EngineError

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
QUALITIES = list(Quality)


@pytest.fixture(params=["onnx_tiny", "tiny", "openai_tiny"], ids=["onnxruntime", "faster-whisper", "openai-whisper"])
def engine(request: pytest.FixtureRequest) -> Any:
    """tiny.en; two decodes at once."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("quality", QUALITIES)
def test_hears_the_words_and_when_they_were_said(engine: Engine, beckett: Audio, quality: Quality) -> None:
    heard = hear(engine, DecodeRequest(beckett, None, quality=quality))
    assert_is_beckett(heard.text)
    assert_times_sound(heard, len(beckett) / 16000)
    assert (heard.language, heard.language_probability, heard.truncated) == ("en", 1.0, False)
    assert -0.6 < heard.avg_logprob < 0
    assert heard.no_speech_prob < 0.6
    assert 0.5 < heard.compression_ratio < 2.4
    times = {word.text.strip(".,").casefold(): word for word in heard.words}
    assert 3.0 < times["matter"].start_s < times["matter"].end_s < 4.6
    assert 8.0 < times["better"].start_s < times["better"].end_s < 9.2


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0, 1.6])
def test_short_windows_neither_fail_nor_loop(engine: Engine, beckett: Audio, seconds: float, quality: Quality) -> None:
    window = beckett[8000 : 8000 + round(seconds * 16000)]
    heard = hear(engine, DecodeRequest(window, "en", quality=quality))
    assert not heard.truncated
    assert len(heard.words) <= 4
    assert_times_sound(heard, seconds)


def test_windows_cut_in_mid_speech_do_not_loop(engine: Engine, corpus: list[dict[str, Any]]) -> None:
    rows = [row for row in corpus if row["lang"] == "en" and row["kind"] == "utterance" and row["duration_s"] > 8]
    if not rows:
        pytest.skip("the corpus has no English")
    for row in rows[:3]:
        samples = read_audio(row["file"])
        for begin_s, end_s in ((0.0, 2.3), (1.1, 5.1), (0.7, 7.7)):
            window = samples[int(begin_s * 16000) : int(end_s * 16000)]
            heard = hear(engine, DecodeRequest(window, "en"))
            assert not heard.truncated
            assert heard.compression_ratio < 2.4
            assert_times_sound(heard, len(window) / 16000)


@pytest.mark.parametrize("quality", QUALITIES)
def test_silence_is_told_by_its_no_speech_probability(engine: Engine, quality: Quality) -> None:
    heard = hear(engine, DecodeRequest(np.zeros(48000, np.float32), None, quality=quality))
    assert heard.no_speech_prob > 0.6
    assert len(heard.words) <= 2


def test_no_audio_is_no_text(engine: Engine) -> None:
    heard = hear(engine, DecodeRequest(np.zeros(0, np.float32), None))
    assert (heard.text, heard.words, heard.no_speech_prob) == ("", (), 1.0)


def test_thirty_seconds_and_not_one_sample_more(engine: Engine, beckett: Audio) -> None:
    full = np.resize(beckett, 480000)
    heard = hear(engine, DecodeRequest(full, None))
    assert_times_sound(heard, 30.0)
    assert len(heard.words) > 25
    with pytest.raises(EngineError, match="at most 30"):
        hear(engine, DecodeRequest(np.zeros(480001, np.float32), None))


def test_several_threads_hear_what_one_hears(engine: Engine, beckett: Audio) -> None:
    windows = [beckett, beckett[:64000], beckett[32000:112000]]
    requests = [DecodeRequest(window, None, quality=quality) for window in windows for quality in QUALITIES]
    alone = [hear(engine, request) for request in requests]
    assert engine.parallel == 2
    with ThreadPoolExecutor(engine.parallel) as threads:
        at_once = list(threads.map(lambda request: hear(engine, request), requests[::-1]))[::-1]
    for request, one, other in zip(requests, alone, at_once, strict=True):
        if request.quality is Quality.FULL:
            assert one == other
        else:
            assert word_error_rate(one.text, other.text) < 0.2


def test_requests_are_answered_in_their_order(engine: Engine, beckett: Audio) -> None:
    windows = [beckett[: int(seconds * 16000)] for seconds in (4.5, 0.0, 6.5, 2.8)]
    requests = [DecodeRequest(window, "en") for window in windows]
    heard = [h for i in range(0, 4, engine.max_batch) for h in engine.decode(requests[i : i + engine.max_batch])]
    assert len(heard) == 4
    for request, one in zip(requests, heard, strict=True):
        assert word_error_rate(hear(engine, request).text or "-", one.text or "-") < 0.2


def test_a_long_prompt_is_cut_and_does_no_harm(engine: Engine, beckett: Audio) -> None:
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    prompt = "Samuel Beckett wrote. " + " ".join(f"{a} {b} {c}" for a in numbers for b in numbers for c in numbers)
    for quality in QUALITIES:
        assert_is_beckett(hear(engine, DecodeRequest(beckett, None, prompt=prompt, quality=quality)).text)


def test_a_draft_recovers_from_a_prompt_that_loops(engine: Engine, beckett: Audio) -> None:
    prompt = "A reading of Samuel Beckett. " * 200
    assert_is_beckett(hear(engine, DecodeRequest(beckett, None, prompt=prompt)).text)


def test_a_prompt_changes_what_is_heard(engine: Engine, beckett: Audio) -> None:
    shouted = "NO MATTER. TRY AGAIN. WE SHOUT. ALL OF US SHOUT. WE SHOUT ALL DAY."
    heard = hear(engine, DecodeRequest(beckett, None, prompt=shouted, quality=Quality.FULL))
    assert heard.text != hear(engine, DecodeRequest(beckett, None, quality=Quality.FULL)).text


def test_a_language_that_the_model_lacks_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"'fr' is not one of this model's: en$"):
        hear(engine, DecodeRequest(np.zeros(16000, np.float32), "fr"))
    assert not engine.is_multilingual


def test_both_engines_agree_on_words_and_times(openai_tiny: Any, tiny: Any, beckett: Audio) -> None:
    request = DecodeRequest(beckett, None, quality=Quality.FULL)
    one, other = hear(openai_tiny, request), hear(tiny, request)
    assert word_error_rate(one.text, other.text) == 0
    for a, b in zip(one.words, other.words, strict=True):
        assert abs(a.start_s - b.start_s) < 0.5
        assert abs(a.end_s - b.end_s) < 0.5
