"""The default engine on real weights."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import ctranslate2
import numpy as np
import pytest
from checks import assert_is_beckett, assert_times_sound, word_error_rate
from numpy.typing import NDArray
from speech import read_audio

from stt_shared.contracts.session import Task
from stt_transcriber.core.hypothesis import DecodeRequest, Quality
from stt_transcriber.engines import faster_whisper
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.faster_whisper import FasterWhisperEngine, Recipe
from stt_transcriber.engines.load import load_engine

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
QUALITIES = list(Quality)


@pytest.fixture
def with_recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(recipe: Recipe) -> None:
        monkeypatch.setattr(faster_whisper, "RECIPES", dict.fromkeys(Quality, recipe))

    return use


@pytest.mark.parametrize("quality", QUALITIES)
def test_hears_the_words_and_when_they_were_said(tiny: FasterWhisperEngine, beckett: Audio, quality: Quality) -> None:
    heard = tiny.decode(DecodeRequest(beckett, None, quality=quality))
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
def test_short_windows_neither_fail_nor_loop(
    tiny: FasterWhisperEngine, beckett: Audio, seconds: float, quality: Quality
) -> None:
    window = beckett[8000 : 8000 + round(seconds * 16000)]
    heard = tiny.decode(DecodeRequest(window, "en", quality=quality))
    assert not heard.truncated
    assert len(heard.words) <= 4
    assert_times_sound(heard, seconds)


@pytest.mark.parametrize("quality", QUALITIES)
def test_silence_is_told_by_its_no_speech_probability(tiny: FasterWhisperEngine, quality: Quality) -> None:
    heard = tiny.decode(DecodeRequest(np.zeros(48000, np.float32), None, quality=quality))
    assert heard.no_speech_prob > 0.6
    assert len(heard.words) <= 2


def test_no_audio_is_no_text(tiny: FasterWhisperEngine) -> None:
    heard = tiny.decode(DecodeRequest(np.zeros(0, np.float32), None))
    assert (heard.text, heard.words, heard.no_speech_prob) == ("", (), 1.0)


def test_thirty_seconds_and_not_one_sample_more(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    full = np.resize(beckett, 480000)
    heard = tiny.decode(DecodeRequest(full, None))
    assert_times_sound(heard, 30.0)
    assert len(heard.words) > 25
    with pytest.raises(EngineError, match="at most 30"):
        tiny.decode(DecodeRequest(np.zeros(480001, np.float32), None))


def test_the_same_request_gives_the_same_hypothesis(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    windows = [beckett, beckett[:64000], beckett[32000:112000]]
    requests = [DecodeRequest(window, None, quality=quality) for window in windows for quality in QUALITIES]
    alone = [tiny.decode(request) for request in requests]
    with ThreadPoolExecutor(2) as threads:
        at_once = list(threads.map(tiny.decode, requests + requests[::-1]))
    assert at_once == alone + alone[::-1]


def test_spliced_silence_does_what_thirty_seconds_of_pad_do(
    tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any
) -> None:
    spliced = tiny.decode(DecodeRequest(beckett, None, quality=Quality.FULL))
    with_recipe(Recipe(pad_s=30.0, tail_positions=0, beam_size=5))
    padded = tiny.decode(DecodeRequest(beckett, None, quality=Quality.FULL))
    assert word_error_rate(padded.text, spliced.text) == 0


def test_without_pad_and_tail_a_window_loops_and_is_marked(
    tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any
) -> None:
    request = DecodeRequest(beckett[:48000], None)
    assert not tiny.decode(request).truncated
    with_recipe(Recipe(pad_s=0.0, tail_positions=0, beam_size=1))
    looped = tiny.decode(request)
    assert looped.truncated
    assert len(looped.words) > 2 * len(request.samples) / 16000
    assert_times_sound(looped, 3.0)


def test_a_loop_is_decoded_again_for_a_final(tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any) -> None:
    with_recipe(Recipe(pad_s=0.0, tail_positions=0, beam_size=1))
    draft = tiny.decode(DecodeRequest(beckett[:48000], None, quality=Quality.DRAFT))
    final = tiny.decode(DecodeRequest(beckett[:48000], None, quality=Quality.FULL))
    assert draft.truncated
    assert final.text != draft.text
    assert final.compression_ratio < draft.compression_ratio


def test_an_encoding_is_never_mistaken_for_features(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    # 1.6 s are 80 positions: as many as the model has mel bands.
    window = beckett[:25600]
    encoded = tiny._encoder.encode(window, pad_s=0.0, tail=0)
    assert encoded.shape[1] == 81
    trap = np.ascontiguousarray(encoded[:, :80])
    as_spliced = tiny._whisper.encode(ctranslate2.StorageView.from_array(trap))
    assert tuple(as_spliced.shape)[1] != 80, "CTranslate2 no longer guesses: the guard can go"


def test_a_long_prompt_is_cut_and_does_no_harm(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    prompt = "Samuel Beckett wrote. " + " ".join(f"{a} {b} {c}" for a in numbers for b in numbers for c in numbers)
    for quality in QUALITIES:
        assert_is_beckett(tiny.decode(DecodeRequest(beckett, None, prompt=prompt, quality=quality)).text)


def test_a_draft_recovers_from_a_prompt_that_loops(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    prompt = "A reading of Samuel Beckett. " * 200
    assert_is_beckett(tiny.decode(DecodeRequest(beckett, None, prompt=prompt)).text)


def test_a_prompt_changes_what_is_heard(tiny: FasterWhisperEngine, beckett: Audio) -> None:
    shouted = "NO MATTER. TRY AGAIN. WE SHOUT. ALL OF US SHOUT. WE SHOUT ALL DAY."
    heard = tiny.decode(DecodeRequest(beckett, None, prompt=shouted, quality=Quality.FULL))
    assert heard.text != tiny.decode(DecodeRequest(beckett, None, quality=Quality.FULL)).text


def test_a_language_that_the_model_lacks_is_refused(tiny: FasterWhisperEngine, base: FasterWhisperEngine) -> None:
    silence = np.zeros(16000, np.float32)
    with pytest.raises(EngineError, match=r"'fr' is not one of this model's: en$"):
        tiny.decode(DecodeRequest(silence, "fr"))
    with pytest.raises(EngineError, match=r"'xx' is not one of .*\bde\b.*\bfr\b"):
        base.decode(DecodeRequest(silence, "xx"))
    assert not tiny.is_multilingual
    assert base.is_multilingual
    assert len(base.languages) == 99


@pytest.mark.parametrize(("language", "article"), [("fr", "le"), ("de", "die")])
def test_detects_the_language_and_translates(
    base: FasterWhisperEngine, corpus: list[dict[str, Any]], language: str, article: str
) -> None:
    rows = [row for row in corpus if row["lang"] == language and row["kind"] == "utterance" and row["text"]]
    if not rows:
        pytest.skip(f"the corpus has no {language}")
    row = min(rows, key=lambda row: abs(row["duration_s"] - 10))
    samples = read_audio(row["file"])[: 30 * 16000]
    heard = base.decode(DecodeRequest(samples, None, quality=Quality.FULL))
    assert heard.language == language
    assert heard.language_probability > 0.5
    assert word_error_rate(row["text"], heard.text) < 0.4
    assert_times_sound(heard, len(samples) / 16000)
    english = base.decode(DecodeRequest(samples, language, task=Task.TRANSLATE, quality=Quality.FULL))
    assert {"the", "of", "to", "and", "a"} & set(english.text.casefold().split())


def test_settings_that_cannot_work_say_what_would(models_dir: Any, tiny: FasterWhisperEngine) -> None:
    with pytest.raises(EngineError, match="must be one of faster-whisper, openai-whisper"):
        load_engine("whisper.cpp", "tiny.en", models_dir)
    with pytest.raises(EngineError, match="run `stt models pull"):
        load_engine("faster-whisper", "org/not-there", models_dir)
    with pytest.raises(EngineError, match=r"cpu allows .*int8"):
        load_engine("faster-whisper", "tiny.en", models_dir, device="cpu", compute_type="int3")
    with pytest.raises(EngineError, match="auto, cpu or cuda"):
        load_engine("faster-whisper", "tiny.en", models_dir, device="tpu")


def test_a_broken_model_is_one_clear_error(tmp_path: Any, models_dir: Any, tiny: FasterWhisperEngine) -> None:
    (tmp_path / "model.bin").write_bytes(b"not a model")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").symlink_to(models_dir / "tiny.en" / "tokenizer.json")
    with pytest.raises(EngineError, match="cannot be loaded"):
        load_engine("faster-whisper", str(tmp_path), models_dir, device="cpu")
