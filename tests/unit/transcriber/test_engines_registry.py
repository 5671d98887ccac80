"""The engine that `auto` chooses."""

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stt_shared.contracts.engines import EngineName
from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines import registry
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.registry import ENGINES, load_engine
from stt_transcriber.models.store import ModelError

pytestmark = pytest.mark.unit


class Loaded:
    """An engine that knows what it was loaded with."""

    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        self.name = kind
        self.options = options
        self.decoded: list[Quality] = []

    def decode(self, requests: Sequence[DecodeRequest]) -> None:
        self.decoded += [request.quality for request in requests]


def stand_in(monkeypatch: pytest.MonkeyPatch, kind: str, failure: Exception | None = None) -> None:
    """Puts a module of that engine into its place."""

    def loads(model: str, models_dir: Path, **options: Any) -> Loaded:
        if failure is not None:
            raise failure
        return Loaded(kind, options)

    module = ModuleType(f"engine_{kind}")
    module.__dict__["load"] = loads
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(ENGINES, kind, module.__name__)


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_gpus", lambda: 0)


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_auto_is_the_suites_own_engine_on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, device: str) -> None:
    stand_in(monkeypatch, "onnxruntime")
    engine = load_engine(EngineName.AUTO, "base", tmp_path, device=device, compute_type="int8", workers=2, threads=3)
    assert isinstance(engine, Loaded)
    assert engine.name == "onnxruntime"
    assert engine.decoded == [Quality.DRAFT, Quality.FULL], "the first client waits for what the first decode costs"
    assert engine.options == {"device": device, "compute_type": "int8", "workers": 2, "threads": 3, "max_batch": 1}


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cuda", "compute_type": "int8"},
        {"device": "cpu", "compute_type": "float32"},
        {"device": "auto", "compute_type": "int8_float16"},
    ],
)
def test_auto_is_faster_whisper_for_what_only_that_can(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any]
) -> None:
    stand_in(monkeypatch, "faster-whisper")
    engine = load_engine(EngineName.AUTO, "base", tmp_path, **options)
    assert isinstance(engine, Loaded)
    assert engine.name == "faster-whisper"
    assert {name: engine.options[name] for name in options} == options
    with pytest.raises(EngineError, match="use WHISPER_ENGINE=faster-whisper"):
        load_engine("onnxruntime", "base", tmp_path, **options)


@pytest.mark.parametrize("failure", [EngineError("graphs refused"), ModelError("not there")])
def test_auto_is_faster_whisper_where_onnxruntime_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: Exception
) -> None:
    stand_in(monkeypatch, "onnxruntime", failure)
    stand_in(monkeypatch, "faster-whisper")
    assert load_engine(EngineName.AUTO, "base", tmp_path).name == "faster-whisper"
    with pytest.raises(EngineError, match=str(failure)):
        load_engine("onnxruntime", "base", tmp_path)


def test_auto_is_faster_whisper_where_a_package_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, "faster-whisper")
    monkeypatch.setitem(ENGINES, "onnxruntime", "no_such_package_of_ours")
    assert load_engine(EngineName.AUTO, "base", tmp_path).name == "faster-whisper"
    with pytest.raises(EngineError, match="onnxruntime is not installed"):
        load_engine("onnxruntime", "base", tmp_path)


def test_where_both_fail_the_last_one_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, "onnxruntime", EngineError("this"))
    stand_in(monkeypatch, "faster-whisper", EngineError("that"))
    with pytest.raises(EngineError, match="that"):
        load_engine(EngineName.AUTO, "base", tmp_path)


def test_auto_leaves_no_gpu_idle_that_it_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "_gpus", lambda: 1)
    stand_in(monkeypatch, "onnxruntime")
    stand_in(monkeypatch, "faster-whisper")
    assert load_engine(EngineName.AUTO, "base", tmp_path, device="auto").name == "faster-whisper"
    assert load_engine(EngineName.AUTO, "base", tmp_path, device="cpu").name == "onnxruntime"
    assert load_engine("onnxruntime", "base", tmp_path, device="auto").name == "onnxruntime"


def test_an_engine_that_there_is_not_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="must be one of auto, onnxruntime, faster-whisper, openai-whisper"):
        load_engine("whisper.cpp", "base", tmp_path)
