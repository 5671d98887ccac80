"""Fixtures that load real weights; a test that needs what cannot be had here skips and says why."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings

from stt_transcriber.engines.ctranslate2.engine import FasterWhisperEngine
from stt_transcriber.engines.onnx.engine import OnnxWhisperEngine
from stt_transcriber.engines.registry import load_engine
from stt_transcriber.models.registry import TURN_MODEL
from stt_transcriber.models.store import ModelError, default_models_dir, pull
from stt_transcriber.turn.model import TurnModel, load_turn_model


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return default_models_dir()


def require_model(name: str, models_dir: Path) -> None:
    try:
        pull(name, models_dir)
    except ModelError as error:
        pytest.skip(str(error))


def load(kind: str, name: str, models_dir: Path) -> Any:
    require_model(name, models_dir)
    return load_engine(kind, name, models_dir, device="cpu", workers=2, threads=1)


@pytest.fixture(scope="session")
def tiny(models_dir: Path) -> FasterWhisperEngine:
    """English only; two decodes at once."""
    return cast(FasterWhisperEngine, load("faster-whisper", "tiny.en", models_dir))


@pytest.fixture(scope="session")
def base(models_dir: Path) -> FasterWhisperEngine:
    """Multilingual."""
    return cast(FasterWhisperEngine, load("faster-whisper", "base", models_dir))


@pytest.fixture(scope="session")
def onnx_tiny(models_dir: Path) -> OnnxWhisperEngine:
    """English only; two decodes at once."""
    return cast(OnnxWhisperEngine, load("onnxruntime", "tiny.en", models_dir))


@pytest.fixture(scope="session")
def onnx_base(models_dir: Path) -> OnnxWhisperEngine:
    """Multilingual."""
    return cast(OnnxWhisperEngine, load("onnxruntime", "base", models_dir))


@pytest.fixture(scope="session")
def openai_tiny(models_dir: Path) -> Any:
    pytest.importorskip("whisper", reason="the extra openai-whisper is not installed")
    require_model("tiny.en.pt", models_dir)
    return load_engine("openai-whisper", "tiny.en", models_dir, device="cpu", workers=2, threads=1)


@pytest.fixture(scope="session")
def turn_model(models_dir: Path) -> TurnModel:
    require_model(TURN_MODEL, models_dir)
    model = load_turn_model(models_dir)
    assert model is not None
    return model


@pytest.fixture(scope="session")
def beckett() -> NDArray[np.float32]:
    try:
        return recordings.beckett()
    except recordings.SpeechMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def corpus() -> list[dict[str, Any]]:
    rows = recordings.corpus()
    if rows is None:
        pytest.skip("no speech corpus: name its folder in STT_TEST_CORPUS")
    return rows
