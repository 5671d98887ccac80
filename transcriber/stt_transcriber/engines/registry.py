"""Registry that turns settings into a warmed-up engine.

A new engine is one file with a ``load`` function and one line here.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from stt_shared.contracts.engines import EngineName
from stt_shared.contracts.session import AUDIO_RATE_HZ
from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.engines.base import Engine, EngineError
from stt_transcriber.models.store import ModelError

_log = structlog.get_logger()

ENGINES: dict[str, str] = {
    EngineName.ONNXRUNTIME: "stt_transcriber.engines.onnx.engine",
    EngineName.FASTER_WHISPER: "stt_transcriber.engines.ctranslate2.engine",
    EngineName.OPENAI_WHISPER: "stt_transcriber.engines.openai.engine",
    EngineName.INSTANT: "stt_transcriber.engines.instant",
}
"""Module of each engine, whose ``load`` creates it; imported only when chosen, because each imports its own
libraries."""


def load_engine(
    kind: str,
    model: str,
    models_dir: Path,
    *,
    device: str = "auto",
    compute_type: str = "default",
    workers: int = 1,
    threads: int = 0,
    max_batch: int = 1,
) -> Engine:
    """Load a model and decode once in each quality that a client waits for, so that no client pays for it.

    ``model``: any value that ``models.store.resolve`` accepts. ``device``: auto, cpu or cuda. ``workers``: number of
    parallel decodes, with ``threads`` threads each (0: the engine chooses). ``max_batch``: maximum number of drafts
    decoded together, if the engine can. Needs no network for a model in the store. Raises EngineError.
    """
    options: Any = {
        "device": device,
        "compute_type": compute_type,
        "workers": workers,
        "threads": threads,
        "max_batch": max_batch,
    }
    if kind == EngineName.AUTO and device == "auto" and _gpus() > 0:
        kind = EngineName.FASTER_WHISPER
    if kind == EngineName.AUTO:
        try:
            return load_engine(EngineName.ONNXRUNTIME, model, models_dir, **options)
        except EngineError as error:
            _log.info("using faster-whisper", cause=str(error))
            kind = EngineName.FASTER_WHISPER
    if kind not in ENGINES:
        raise EngineError(f"engine {kind!r}: must be one of {', '.join(EngineName)}")
    try:
        module = importlib.import_module(ENGINES[kind])
    except ImportError as error:
        raise EngineError(f"the engine {kind} is not installed: {error}") from error
    try:
        engine: Engine = module.load(model, models_dir, **options)
    except ModelError as error:
        raise EngineError(str(error)) from error
    # The first decode of a process allocates memory and loads code that later ones reuse.
    for quality in (Quality.DRAFT, Quality.FULL):
        engine.decode([DecodeRequest(np.zeros(AUDIO_RATE_HZ, np.float32), "en", quality=quality)])
    return engine


def _gpus() -> int:
    """Count the GPUs that faster-whisper would use."""
    try:
        import ctranslate2
    except ImportError:
        return 0
    return int(ctranslate2.get_cuda_device_count())
