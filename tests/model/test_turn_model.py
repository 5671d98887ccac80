"""Pauses of real speech, judged by the real turn model: who goes on is not cut, who has finished does not wait."""

import functools
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from support import recordings
from support.frames import frames_of
from support.hypothesis_checks import hear
from support.takeover_runs import Case, Kept, killed_often, run

from stt_shared.contracts.events import TurnEnded
from stt_shared.contracts.session import Endpointing, SessionConfig
from stt_transcriber.core.live.policy import LivePolicy, TurnPolicy
from stt_transcriber.engines.base import Engine
from stt_transcriber.turn.model import TurnModel
from stt_transcriber.vad.models import load_vad

pytestmark = pytest.mark.model

AUTO = SessionConfig(language="en", interim_results=False, endpointing=Endpointing.AUTO)
FIXED = SessionConfig(language="en", interim_results=False, endpointing=Endpointing.FIXED)
PAUSES = 6
GOES_ON = {"a", "and", "her", "his", "in", "of", "that", "the", "to", "with"}
"""Words after which nobody has finished."""


@pytest.fixture(scope="module")
def hesitant_speech(corpus: list[dict[str, Any]]) -> list[NDArray[np.float32]]:
    """Utterances whose speaker searches for a word: each has 0.9 s of silence in mid-sentence."""
    found = [(row, at) for row in corpus if row["kind"] == "utterance" and row["lang"] == "en" and (at := gap_in(row))]
    if len(found) < PAUSES:
        pytest.skip("the corpus has too little speech with times of words")
    return [
        np.insert(recordings.read_audio(row["file"]), at, np.zeros(14_400, np.float32)) for row, at in found[:PAUSES]
    ]


def gap_in(row: dict[str, Any]) -> int | None:
    """A place between two words of the sentence, in samples."""
    words = row.get("words") or []
    for before, after in pairwise(words[3:-3]):
        if before[0].lower() in GOES_ON and row["duration_s"] < 9:
            return round((before[2] + after[1]) / 2 * 16000)
    return None


def case_of(engine: Engine, audio: NDArray[np.float32], config: SessionConfig, model: TurnModel | None) -> Case:
    policy = LivePolicy(turn=TurnPolicy(has_model=model is not None))
    judge = model.probability if model else None
    return Case(config, policy, frames_of(audio), load_vad("silero"), functools.partial(hear, engine), judge)


def played(case: Case) -> Kept:
    kept = Kept()
    assert run(case, kept, np.random.default_rng(0))
    return kept


def test_a_speaker_who_searches_for_a_word_is_not_cut(
    onnx_tiny: Engine, turn_model: TurnModel, hesitant_speech: list[NDArray[np.float32]]
) -> None:
    def finals(config: SessionConfig, model: TurnModel | None) -> int:
        return sum(len(played(case_of(onnx_tiny, audio, config, model)).finals) for audio in hesitant_speech)

    judged, by_text, fixed = finals(AUTO, turn_model), finals(AUTO, None), finals(FIXED, turn_model)
    assert fixed >= 2 * PAUSES - 1, "with a fixed silence nearly every pause ends an utterance"
    assert judged <= fixed - PAUSES // 2, "most speakers who go on are heard to do so"
    assert judged <= by_text <= fixed


def test_who_has_finished_is_told_so_before_the_final(
    onnx_tiny: Engine, turn_model: TurnModel, beckett: NDArray[np.float32]
) -> None:
    audio = np.concatenate([beckett, np.zeros(2 * 16000, np.float32)])
    kept = played(case_of(onnx_tiny, audio, AUTO, turn_model))
    kinds = [type(event) for event in kept.events]
    assert TurnEnded in kinds
    assert kinds.index(TurnEnded) < kinds.index(type(kept.finals[0]))


def test_finals_after_many_kills_are_those_of_an_undisturbed_run(
    onnx_tiny: Engine, turn_model: TurnModel, beckett: NDArray[np.float32]
) -> None:
    case = case_of(onnx_tiny, beckett, msgspec.structs.replace(AUTO, endpointing_ms=300), turn_model)
    expected = played(case).comparable()
    kept, kills = killed_often(case, np.random.default_rng(1), most_writes=6)
    assert kept.comparable() == expected
    assert kills >= 5


def test_the_model_hears_what_its_publisher_computes(turn_model: TurnModel) -> None:
    """The last eight seconds, preceded by silence if there are fewer; loudness does not count."""
    voice = np.random.default_rng(0).normal(0, 0.1, 10 * 16000).astype(np.float32)
    assert turn_model.features(voice).shape == (80, 800)
    assert turn_model.probability(voice) == turn_model.probability(voice[-8 * 16000 :])
    assert abs(turn_model.probability(voice) - turn_model.probability(voice / 2)) < 0.02
    short = voice[:16000]
    padded = np.concatenate([np.zeros(7 * 16000, np.float32), short])
    assert turn_model.probability(short) == turn_model.probability(padded)
