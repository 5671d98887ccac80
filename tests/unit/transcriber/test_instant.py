"""The engine for measuring: it needs no model, and shows what the pipeline lets through."""

from pathlib import Path

import numpy as np
import pytest

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.core.text.guards import reason_to_reject
from stt_transcriber.engines.base import EngineError
from stt_transcriber.engines.registry import load_engine

pytestmark = pytest.mark.unit


def test_it_loads_without_a_model_and_answers_every_request_of_a_batch(tmp_path: Path) -> None:
    engine = load_engine("instant", "none", tmp_path, workers=3)
    assert (engine.name, engine.parallel, engine.languages) == ("instant", 3, ("en",))
    second, nothing = engine.decode(
        [DecodeRequest(np.zeros(samples, np.float32), None, quality=Quality.FULL) for samples in (16_000, 0)]
    )
    assert (second.text, [(word.start_s, word.end_s) for word in second.words]) == ("word", [(0.0, 1.0)])
    assert nothing.text == ""
    for quality in Quality:
        assert reason_to_reject(second, 1.0, quality) is None


def test_it_refuses_what_other_engines_refuse(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="language 'de'"):
        load_engine("instant", "none", tmp_path).decode([DecodeRequest(np.zeros(160, np.float32), "de")])
