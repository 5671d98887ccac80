"""The second engine on real weights: the same promises, and the same words as the first."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checks import assert_is_beckett, assert_times_sound, word_error_rate
from numpy.typing import NDArray

from stt_transcriber.core.hypothesis import DecodeRequest, Quality
from stt_transcriber.engines import openai_whisper, request
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.load import load_engine

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]


@pytest.mark.parametrize("quality", list(Quality))
def test_hears_the_words_and_when_they_were_said(openai_tiny: Any, beckett: Audio, quality: Quality) -> None:
    heard = openai_tiny.decode(DecodeRequest(beckett, None, quality=quality))
    assert_is_beckett(heard.text)
    assert_times_sound(heard, len(beckett) / 16000)
    assert (heard.language, heard.truncated, openai_tiny.parallel) == ("en", False, 1)
    assert heard == openai_tiny.decode(DecodeRequest(beckett, None, quality=quality))


def test_both_engines_agree_on_words_and_times(openai_tiny: Any, tiny: Any, beckett: Audio) -> None:
    request = DecodeRequest(beckett, None, quality=Quality.FULL)
    one, other = openai_tiny.decode(request), tiny.decode(request)
    assert word_error_rate(one.text, other.text) == 0
    for a, b in zip(one.words, other.words, strict=True):
        assert abs(a.start_s - b.start_s) < 0.5
        assert abs(a.end_s - b.end_s) < 0.5


@pytest.mark.parametrize("seconds", [0.01, 0.3, 1.0])
def test_short_windows_neither_fail_nor_loop(openai_tiny: Any, beckett: Audio, seconds: float) -> None:
    heard = openai_tiny.decode(DecodeRequest(beckett[8000 : 8000 + round(seconds * 16000)], "en"))
    assert not heard.truncated
    assert_times_sound(heard, seconds)


def test_the_token_limit_is_told(openai_tiny: Any, beckett: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_whisper, "token_limit", lambda *_: 5)
    heard = openai_tiny.decode(DecodeRequest(beckett, None))
    assert heard.truncated
    assert len(heard.words) <= 5
    assert request.token_limit(DecodeRequest(beckett, None), "en") == 79


def test_a_suspect_final_is_sampled_again_and_always_the_same(
    openai_tiny: Any, beckett: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    temperatures = []
    generate = openai_tiny._generate

    def watched(*args: Any, **options: Any) -> Any:
        temperatures.append(options.get("temperature", 0.0))
        return generate(*args, **options)

    monkeypatch.setattr(openai_tiny, "_generate", watched)
    monkeypatch.setattr(openai_whisper, "is_suspect", lambda **_: True)
    final = DecodeRequest(beckett[:48000], None, quality=Quality.FULL, prompt="Beckett")
    first = openai_tiny.decode(final)
    assert temperatures == [0.0, 0.0, 0.2, 0.4]
    assert first == openai_tiny.decode(final)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(EngineError, match=r"pip install .*openai-whisper"):
        load_engine("openai-whisper", "tiny.en", tmp_path)


def test_a_broken_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("whisper", reason="the extra openai-whisper is not installed")
    (tmp_path / "mine.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(EngineError, match="cannot be loaded"):
        load_engine("openai-whisper", str(tmp_path / "mine.pt"), tmp_path, device="cpu")
