"""Real weights, the real voice model, a worker killed again and again: the finals are those of an undisturbed run."""

import functools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings
from support.frames import frames_of
from support.hypothesis_checks import hear, word_error_rate
from support.takeover_runs import Case, Kept, all_of_it, cold, killed_often, run

from stt_shared.contracts.session import SessionConfig
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.engines.base import Engine
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model

CONFIG = SessionConfig(language="en", endpointing_ms=200)


def case_of(engine: Engine, audio: NDArray[np.float32], config: SessionConfig = CONFIG) -> Case:
    return Case(config, LivePolicy(), frames_of(audio), load_vad("silero"), functools.partial(hear, engine))


def undisturbed(case: Case) -> Kept:
    kept = Kept()
    assert run(case, kept, np.random.default_rng(0))
    return kept


def test_finals_after_many_kills_are_those_of_an_undisturbed_run(
    onnx_tiny: Engine, beckett: NDArray[np.float32]
) -> None:
    case = case_of(onnx_tiny, beckett)
    expected = undisturbed(case)
    kept, kills = killed_often(case, np.random.default_rng(1), most_writes=6)
    assert kept.comparable() == expected.comparable()
    assert kills >= 10
    assert len(kept.finals) >= 4
    assert word_error_rate(recordings.BECKETT_TEXT, " ".join(final.text for final in kept.finals)) < 0.25


def test_without_the_stored_state_finals_differ(onnx_tiny: Engine, corpus: list[dict[str, Any]]) -> None:
    (row, *_) = [row for row in corpus if row["kind"] == "long" and row["lang"] == "en"]
    config = SessionConfig(language="en", endpointing_ms=200, interim_results=False)
    case = case_of(onnx_tiny, recordings.read_audio(row["file"])[: 45 * 16000], config)
    expected = undisturbed(case).comparable()
    for stored in (all_of_it, cold):
        kept, kills = killed_often(case, np.random.default_rng(2), stored, most_writes=6)
        assert kills >= 10
        assert (kept.comparable() == expected) is (stored is all_of_it)
