"""Features of the CTranslate2 engine alone."""

from collections.abc import Iterator
from typing import Any

import ctranslate2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.hypothesis_checks import assert_times_sound, hear, word_error_rate
from support.recordings import read_audio

from stt_shared.contracts.session import Task
from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.ctranslate2 import engine
from stt_transcriber.engines.ctranslate2.engine import FasterWhisperEngine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.engines.window import Recipe

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]


@pytest.fixture
def with_recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(recipe: Recipe) -> None:
        monkeypatch.setattr(engine, "RECIPES", dict.fromkeys(Quality, recipe))

    return use


def test_spliced_silence_does_what_thirty_seconds_of_pad_do(
    tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any
) -> None:
    spliced = hear(tiny, DecodeRequest(beckett, None, quality=Quality.FULL))
    with_recipe(Recipe(pad_s=30.0, tail_positions=0, beam_size=5))
    padded = hear(tiny, DecodeRequest(beckett, None, quality=Quality.FULL))
    assert word_error_rate(padded.text, spliced.text) == 0


def test_without_pad_and_tail_a_window_loops_and_is_marked(
    tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any
) -> None:
    request = DecodeRequest(beckett[:48000], None)
    assert not hear(tiny, request).truncated
    with_recipe(Recipe(pad_s=0.0, tail_positions=0, beam_size=1))
    looped = hear(tiny, request)
    assert looped.truncated
    assert len(looped.words) > 2 * len(request.samples) / 16000
    assert_times_sound(looped, 3.0)


def test_a_loop_is_decoded_again_for_a_final(tiny: FasterWhisperEngine, beckett: Audio, with_recipe: Any) -> None:
    with_recipe(Recipe(pad_s=0.0, tail_positions=0, beam_size=1))
    draft = hear(tiny, DecodeRequest(beckett[:48000], None, quality=Quality.DRAFT))
    final = hear(tiny, DecodeRequest(beckett[:48000], None, quality=Quality.FULL))
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


def test_a_language_that_the_model_lacks_is_refused(tiny: FasterWhisperEngine, base: FasterWhisperEngine) -> None:
    silence = np.zeros(16000, np.float32)
    with pytest.raises(EngineError, match=r"'fr' is not one of this model's: en$"):
        hear(tiny, DecodeRequest(silence, "fr"))
    with pytest.raises(EngineError, match=r"'xx' is not one of .*\bde\b.*\bfr\b"):
        hear(base, DecodeRequest(silence, "xx"))
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
    heard = hear(base, DecodeRequest(samples, None, quality=Quality.FULL))
    assert heard.language == language
    assert heard.language_probability > 0.5
    assert word_error_rate(row["text"], heard.text) < 0.4
    assert_times_sound(heard, len(samples) / 16000)
    english = hear(base, DecodeRequest(samples, language, task=Task.TRANSLATE, quality=Quality.FULL))
    assert {"the", "of", "to", "and", "a"} & set(english.text.casefold().split())


def test_settings_that_cannot_work_say_what_would(models_dir: Any, tiny: FasterWhisperEngine) -> None:
    with pytest.raises(EngineError, match="must be one of auto, onnxruntime, faster-whisper, openai-whisper"):
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
