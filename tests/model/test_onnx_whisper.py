"""The suite's own engine against the two that others wrote, on the same weights and real speech."""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import psutil
import pytest
from checks import assert_times_sound, hear, word_error_rate
from numpy.typing import NDArray
from speech import read_audio

from stt_shared.contracts.session import Task
from stt_transcriber.core.hypothesis import DecodeRequest, Memory, Quality
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.faster_whisper import FasterWhisperEngine
from stt_transcriber.engines.load import load_engine
from stt_transcriber.engines.onnx_whisper import RECIPES, OnnxWhisperEngine

pytestmark = pytest.mark.model
Audio = NDArray[np.float32]
Floats = NDArray[np.float32]


@pytest.fixture(scope="module")
def english(corpus: list[dict[str, Any]]) -> list[tuple[Audio, str]]:
    """Clips of 4…12 s and what is said in them."""
    rows = [row for row in corpus if row["lang"] == "en" and row["kind"] == "utterance" and row["text"]]
    rows = [row for row in rows if 4 < row["duration_s"] < 12][:6]
    if not rows:
        pytest.skip("the corpus has no English")
    return [(read_audio(row["file"]), row["text"]) for row in rows]


def task_tokens(engine: OnnxWhisperEngine) -> list[int]:
    tokenizer = engine._tokenizer("en", "transcribe")
    return [*tokenizer.sot_sequence, tokenizer.no_timestamps]


def text_tokens(engine: OnnxWhisperEngine, text: str) -> list[int]:
    tokens: list[int] = engine._tokenizer("en", "transcribe").encode(" " + text)
    return tokens


def logprobs_along(engine: OnnxWhisperEngine, samples: Audio, text: Sequence[int]) -> Floats:
    """float32 [tokens + 1, words of the vocabulary]: what may follow each beginning of the text, padded to 30 s."""
    start = task_tokens(engine)
    fed = np.array([[*start, *text]])
    width = fed.shape[1]
    encoding = engine._whisper.encode(samples, 30.0, 0)
    states, _ = engine._whisper.batch([encoding]).run(
        fed, np.arange(width)[None], np.tri(width, dtype=np.bool_)[None]
    )
    count = engine._tokens.end + 1
    tokens, falling = engine._whisper.choose(states[0, len(start) - 1 :], count)
    logprobs = np.empty_like(falling)
    np.put_along_axis(logprobs, tokens, falling, axis=1)
    return logprobs


def log_softmax(scores: Floats) -> Floats:
    highest = scores.max(axis=-1, keepdims=True)
    logprobs: Floats = scores - highest - np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True))
    return logprobs


def assert_alike(own: list[Floats], theirs: list[Floats], texts: list[list[int]], *, equal: float, off: float) -> None:
    """The most probable next token is the same, and the text's own tokens are as probable."""
    same = np.concatenate([a.argmax(axis=1) == b.argmax(axis=1) for a, b in zip(own, theirs, strict=True)])
    distances = [
        abs(a[i, token] - b[i, token])
        for a, b, text in zip(own, theirs, texts, strict=True)
        for i, token in enumerate(text)
    ]
    print(f"{same.mean():.4f} of {len(same)} equal; {np.mean(distances):.4f} apart, median {np.median(distances):.4f}")
    assert len(same) > 60
    assert same.mean() >= equal
    assert np.mean(distances) < off


def test_next_tokens_are_those_of_the_original_in_float32(
    onnx_tiny: OnnxWhisperEngine, openai_tiny: Any, english: list[tuple[Audio, str]], models_dir: Path
) -> None:
    torch, whisper = pytest.importorskip("torch"), pytest.importorskip("whisper")
    model = openai_tiny._whisper
    start = task_tokens(onnx_tiny)
    never = json.loads((models_dir / "tiny.en" / "config.json").read_text())["suppress_ids"]
    own, theirs, texts = [], [], []
    for samples, said in english:
        text = text_tokens(onnx_tiny, said)
        with torch.inference_mode():
            encoding = model.encoder(whisper.log_mel_spectrogram(whisper.pad_or_trim(samples))[None])
            scores = model.decoder(torch.tensor([[*start, *text]]), encoding)[0, len(start) - 1 :].numpy()
        scores = scores[:, : onnx_tiny._tokens.end + 1].copy()
        scores[:, [token for token in never if token < scores.shape[1]]] = -1e9
        own.append(logprobs_along(onnx_tiny, samples, text))
        theirs.append(log_softmax(scores))
        texts.append(text)
    assert_alike(own, theirs, texts, equal=0.96, off=0.1)


@pytest.mark.parametrize(("engine", "other"), [("onnx_tiny", "tiny"), ("onnx_base", "base")])
def test_next_tokens_are_those_of_ctranslate2(
    request: pytest.FixtureRequest, english: list[tuple[Audio, str]], engine: str, other: str
) -> None:
    onnx: OnnxWhisperEngine = request.getfixturevalue(engine)
    reference: FasterWhisperEngine = request.getfixturevalue(other)
    own, theirs, texts = [], [], []
    for samples, _ in english[:4]:
        encoding = ctranslate2.StorageView.from_array(reference._encoder.encode(samples, 30.0, 0))
        # Its own text is the one text along which it tells all its choices.
        result: Any = reference._whisper.generate(
            encoding, [task_tokens(onnx)], beam_size=1, max_length=200, return_logits_vocab=True
        )[0]
        text = [token for token in result.sequences_ids[0] if token < onnx._tokens.end]
        scores = np.stack([np.array(step).reshape(-1)[: onnx._tokens.end + 1] for step in result.logits[0]])
        # No text begins with an end, which it takes into account and the forced text does not.
        theirs.append(log_softmax(np.maximum(scores, -1e9))[1 : len(text)])
        own.append(logprobs_along(onnx, samples, text)[1 : len(text)])
        texts.append(text[1:])
    assert_alike(own, theirs, texts, equal=0.95, off=0.15)
