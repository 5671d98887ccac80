"""The scorer of speakers, on cases that can be counted by hand."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def scorer() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "diarization_error.py"
    spec = importlib.util.spec_from_file_location("diarization_error", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_names_of_speakers_do_not_matter(scorer: ModuleType) -> None:
    errors = scorer.diarization_error({"ann": [(0, 5)], "bo": [(5, 10)]}, {"1": [(5, 10)], "2": [(0, 5)]})
    assert errors.rate == 0
    assert errors.mapping == {"1": "bo", "2": "ann"}


def test_confusion_a_miss_and_a_false_alarm_are_counted_in_seconds(scorer: ModuleType) -> None:
    reference = {"ann": [(0, 10)], "bo": [(10, 20)]}
    hypothesis = {"1": [(0, 12)], "2": [(12, 18), (21, 22)]}
    errors = scorer.diarization_error(reference, hypothesis, collar_s=0.0)
    assert (errors.total, errors.confused) == (pytest.approx(20), pytest.approx(2))
    assert (errors.missed, errors.alarm) == (pytest.approx(2), pytest.approx(1))
    assert errors.rate == pytest.approx(0.25)


def test_a_speaker_too_many_and_one_too_few(scorer: ModuleType) -> None:
    two = {"ann": [(0, 10)], "bo": [(10, 20)]}
    one = scorer.diarization_error(two, {"1": [(0, 20)]}, collar_s=0.0)
    assert one.confused == pytest.approx(10)
    three = scorer.diarization_error(two, {"1": [(0, 10)], "2": [(10, 15)], "3": [(15, 20)]}, collar_s=0.0)
    assert three.confused == pytest.approx(5)


def test_overlapping_speech_counts_for_each_who_speaks(scorer: ModuleType) -> None:
    errors = scorer.diarization_error({"ann": [(0, 10)], "bo": [(8, 20)]}, {"1": [(0, 9)], "2": [(9, 20)]}, 0.0)
    assert errors.total == pytest.approx(22)
    assert (errors.missed, errors.confused) == (pytest.approx(2), pytest.approx(0))


def test_nothing_is_scored_near_the_ends_of_speech(scorer: ModuleType) -> None:
    errors = scorer.diarization_error({"ann": [(1, 10)]}, {"1": [(0.8, 10.2)]})
    assert errors.rate == 0
    assert errors.total == pytest.approx(8.5)


def test_close_intervals_are_joined(scorer: ModuleType) -> None:
    assert scorer.joined([(2.0, 3.0), (0.0, 1.0), (1.2, 1.5)]) == [(0.0, 1.5), (2.0, 3.0)]
    assert scorer.diarization_error({}, {}).rate == 0
