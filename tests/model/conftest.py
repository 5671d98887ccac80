"""Fixtures that load real weights; a test that needs what cannot be had here skips and says why."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speech
from numpy.typing import NDArray

from stt_transcriber.engines.faster_whisper import FasterWhisperEngine
from stt_transcriber.engines.load import load_engine
from stt_transcriber.engines.onnx_whisper import OnnxWhisperEngine
from stt_transcriber.model_store import ModelError, default_models_dir, pull


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return default_models_dir()


def require_model(name: str, models_dir: Path) -> None:
    try:
        pull(name, models_dir)
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def tiny(models_dir: Path) -> FasterWhisperEngine:
    """English only; two decodes at once."""
    return _load("tiny.en", models_dir)


@pytest.fixture(scope="session")
def base(models_dir: Path) -> FasterWhisperEngine:
    """Multilingual."""
    return _load("base", models_dir)


def _load(name: str, models_dir: Path) -> FasterWhisperEngine:
    require_model(name, models_dir)
    engine = load_engine("faster-whisper", name, models_dir, device="cpu", workers=2, threads=1)
    assert isinstance(engine, FasterWhisperEngine)
    return engine


@pytest.fixture(scope="session")
def onnx_tiny(models_dir: Path) -> OnnxWhisperEngine:
    """English only; two decodes at once."""
    return _load_onnx("tiny.en", models_dir)


@pytest.fixture(scope="session")
def onnx_base(models_dir: Path) -> OnnxWhisperEngine:
    """Multilingual."""
    return _load_onnx("base", models_dir)


def _load_onnx(name: str, models_dir: Path) -> OnnxWhisperEngine:
    require_model(name, models_dir)
    engine = load_engine("onnxruntime", name, models_dir, device="cpu", workers=2, threads=1)
    assert isinstance(engine, OnnxWhisperEngine)
    return engine


@pytest.fixture(scope="session")
def openai_tiny(models_dir: Path) -> Any:
    pytest.importorskip("whisper", reason="the extra openai-whisper is not installed")
    require_model("tiny.en.pt", models_dir)
    return load_engine("openai-whisper", "tiny.en", models_dir, device="cpu", workers=2, threads=1)


@pytest.fixture(scope="session")
def beckett() -> NDArray[np.float32]:
    try:
        return speech.beckett()
    except speech.SpeechMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def corpus() -> list[dict[str, Any]]:
    rows = speech.corpus()
    if rows is None:
        pytest.skip("no speech corpus: name its folder in STT_TEST_CORPUS")
    return rows
