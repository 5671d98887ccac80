"""Features of the engine openai-whisper alone: an encoder without pad, a decoder without hooks, readable attention."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.hypothesis_checks import assert_times_sound, hear, word_error_rate

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.engines.window import Recipe

torch = pytest.importorskip("torch", reason="the extra openai-whisper is not installed")
whisper = pytest.importorskip("whisper", reason="the extra openai-whisper is not installed")

from stt_transcriber.engines.openai import attention  # noqa: E402
from stt_transcriber.engines.openai import engine as openai_whisper  # noqa: E402
from stt_transcriber.engines.openai.decoder import OpenAiDecoder, Task  # noqa: E402
from stt_transcriber.engines.openai.encoder import OpenAiEncoder  # noqa: E402

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]


@pytest.fixture
def with_recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(recipe: Recipe) -> None:
        monkeypatch.setattr(openai_whisper, "RECIPES", dict.fromkeys(Quality, recipe))

    return use


def padded(samples: Audio) -> Any:
    """The package's own features of 30 s."""
    return whisper.log_mel_spectrogram(whisper.pad_or_trim(samples))[None]


def test_a_full_window_is_encoded_as_the_package_does(openai_tiny: Any, beckett: Audio) -> None:
    with torch.inference_mode():
        own = OpenAiEncoder(openai_tiny._whisper, torch.float32).encode(beckett, pad_s=30.0, tail=0)
        theirs = openai_tiny._whisper.encoder(padded(beckett))
    assert own.shape == theirs.shape
    assert torch.allclose(own, theirs, atol=1e-4)


def test_a_short_window_has_its_own_positions_and_then_silence(openai_tiny: Any, beckett: Audio) -> None:
    encoder = openai_tiny._encoder
    with torch.inference_mode():
        alone = encoder.encode(beckett[:32000], pad_s=1.0, tail=0)
        spliced = encoder.encode(beckett[:32000], pad_s=1.0, tail=400)
        longest = encoder.encode(beckett[:32000], pad_s=1.0, tail=1500)
    assert [e.shape[1] for e in (alone, spliced, longest)] == [150, 550, 1500]
    assert torch.equal(spliced[:, :150], alone)
    assert torch.equal(spliced[:, 150:], encoder._silence[:, 150:550])


@pytest.mark.parametrize("beam_size", [None, 5])
@pytest.mark.parametrize("prompt", [None, "A reading of Samuel Beckett."])
def test_the_search_is_the_packages(
    openai_tiny: Any, beckett: Audio, beam_size: int | None, prompt: str | None
) -> None:
    model = openai_tiny._whisper
    options = whisper.DecodingOptions(
        language="en", without_timestamps=True, fp16=False, beam_size=beam_size, prompt=prompt
    )
    with torch.inference_mode():
        encoding = model.encoder(padded(beckett))
        theirs = whisper.decode(model, encoding, options)[0]
        own = Task(model, OpenAiDecoder(model), options).run(encoding)[0]
    assert own.tokens == theirs.tokens
    assert own.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-3)
    assert own.no_speech_prob == pytest.approx(theirs.no_speech_prob, abs=1e-3)


@pytest.mark.parametrize("quality", list(Quality))
def test_word_times_are_the_packages(openai_tiny: Any, beckett: Audio, quality: Quality, with_recipe: Any) -> None:
    with_recipe(Recipe(pad_s=30.0, tail_positions=0, beam_size=1))
    heard = hear(openai_tiny, DecodeRequest(beckett, None, quality=quality))
    tokenizer = whisper.tokenizer.get_tokenizer(False)
    mel = padded(beckett)[0]
    timings = whisper.timing.find_alignment(
        openai_tiny._whisper, tokenizer, tokenizer.encode(" " + heard.text), mel, len(beckett) // 160
    )
    theirs = [timing for timing in timings if any(character.isalnum() for character in timing.word)]
    assert [timing.word.strip() for timing in theirs] == [word.text.strip(",.") for word in heard.words]
    # The first of a sentence is shortened by both engines.
    for a, b in zip(heard.words[1:], theirs[1:], strict=True):
        assert a.end_s == pytest.approx(b.end, abs=0.25)
        assert a.probability == pytest.approx(b.probability, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 3), (3, 50), (25, 400)])
def test_the_path_is_the_packages(shape: tuple[int, int]) -> None:
    focused = np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)
    begins: dict[int, int] = {}
    for token, position in zip(*whisper.timing.dtw(-torch.from_numpy(focused)).tolist(), strict=True):
        begins.setdefault(token, position)
    own = attention.path(focused)
    assert dict(own[:-1]) == begins
    assert own[-1] == (shape[0] - 1, shape[1] - 1)


def test_nothing_of_a_decode_stays_on_the_model(openai_tiny: Any, beckett: Audio) -> None:
    for quality in Quality:
        hear(openai_tiny, DecodeRequest(beckett[:32000], None, quality=quality))
    assert not any(module._forward_hooks for module in openai_tiny._whisper.modules())
    assert whisper.model.MultiHeadAttention.use_sdpa


def test_a_draft_repeated_is_the_same_to_the_last_bit(openai_tiny: Any, beckett: Audio) -> None:
    request = DecodeRequest(beckett[32000:112000], None)
    first = hear(openai_tiny, request)
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: hear(openai_tiny, request), range(6))) == [first] * 6


def test_words_at_the_edge_are_not_safe_and_those_before_it_are(openai_tiny: Any, beckett: Audio) -> None:
    # "matter" ends at 4.2 s, "again" at 5.8 s.
    for cut_s, safe in ((4.0, "Ever tried. Ever failed."), (5.6, "Ever tried. Ever failed. No matter.")):
        heard = hear(openai_tiny, DecodeRequest(beckett[: int(cut_s * 16000)], None))
        assert heard.safe_words is not None
        assert heard.safe_words < len(heard.words)
        assert word_error_rate(safe, " ".join(word.text for word in heard.words[: heard.safe_words])) <= 0.25
    assert hear(openai_tiny, DecodeRequest(beckett, None, quality=Quality.FULL)).safe_words is None


def test_a_jump_back_is_not_safe() -> None:
    assert attention.safe_tokens([10, 40, 90, 300], 500) == 3
    assert attention.safe_tokens([10, 40, 489, 300], 500) == 1
    assert attention.safe_tokens([10, 40, 300, 20, 310], 500) == 2
    assert attention.safe_tokens([0], 1) == 0
    assert attention.safe_tokens([], 500) == 0


def test_the_token_limit_is_told(openai_tiny: Any, beckett: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_whisper, "token_limit", lambda *_: 5)
    heard = hear(openai_tiny, DecodeRequest(beckett, None))
    assert heard.truncated
    assert len(heard.words) <= 5


def test_without_pad_and_tail_a_window_loops_and_is_marked(openai_tiny: Any, beckett: Audio, with_recipe: Any) -> None:
    window = DecodeRequest(beckett[:48000], None)
    assert not hear(openai_tiny, window).truncated
    with_recipe(Recipe(pad_s=0.0, tail_positions=0, beam_size=1))
    looped = hear(openai_tiny, window)
    assert looped.truncated
    assert_times_sound(looped, 3.0)


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
    first = hear(openai_tiny, final)
    assert temperatures == [0.0, 0.0, 0.2, 0.4]
    assert first == hear(openai_tiny, final)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # the package's, of a beam that finds no end
def test_a_multilingual_checkpoint_of_ones_own(tmp_path: Path, beckett: Audio) -> None:
    """Random weights: what is said means nothing, but language and task must go the package's way."""
    torch.manual_seed(1)
    dims = whisper.model.ModelDimensions(80, 1500, 64, 2, 1, 51865, 448, 64, 2, 2)
    model = whisper.model.Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, tmp_path / "mine.pt")
    engine = load_engine("openai-whisper", str(tmp_path / "mine.pt"), tmp_path, device="cpu", threads=1)
    assert (engine.is_multilingual, len(engine.languages), engine.languages[:2]) == (True, 99, ("en", "zh"))
    heard = hear(engine, DecodeRequest(np.resize(beckett, 480000), None))
    with torch.inference_mode():
        _, theirs = whisper.detect_language(model, whisper.log_mel_spectrogram(np.resize(beckett, 480000)))
    assert heard.language == max(theirs, key=theirs.__getitem__)
    assert heard.language_probability == pytest.approx(max(theirs.values()), abs=1e-4)
    assert hear(engine, DecodeRequest(beckett, "fr")).language == "fr"


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "whisper", None)
    monkeypatch.delitem(sys.modules, "stt_transcriber.engines.openai.engine")
    with pytest.raises(EngineError, match=r"pip install .*openai-whisper"):
        load_engine("openai-whisper", "tiny.en", tmp_path)


def test_a_broken_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(EngineError, match="cannot be loaded"):
        load_engine("openai-whisper", str(tmp_path / "mine.pt"), tmp_path, device="cpu")
