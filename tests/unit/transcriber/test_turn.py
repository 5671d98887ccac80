"""Judgement of a pause by what is known of it."""

import pytest

from stt_transcriber.core.live.policy import TurnPolicy
from stt_transcriber.core.live.turn import (
    Ending,
    Evidence,
    Pause,
    Silences,
    TurnVerdicts,
    ending_of,
    is_over,
    patience_ms,
)

pytestmark = pytest.mark.unit

POLICY = TurnPolicy(has_model=True, finished_above=0.9, unfinished_below=0.5, surely_over=0.95)
BY_TEXT = TurnPolicy(has_model=False)
SILENCES = Silences(shortest_ms=256, base_ms=500, longest_ms=1300)


def pause(probability: float | None, ending: Ending | None = None) -> Pause:
    return Pause(is_judged=True, probability=probability, has_text=ending is not None, ending=ending)


def over(known: Pause, silence_ms: int, policy: TurnPolicy = POLICY, *, is_long: bool = False) -> bool | Evidence:
    return is_over(known, silence_ms, SILENCES, policy, is_long=is_long)


@pytest.mark.parametrize(
    ("probability", "silence_ms"),
    [(1.0, 500), (0.9, 500), (0.8, 700), (0.6, 1100), (0.5, 1300), (0.0, 1300), (None, 500)],
)
def test_the_less_it_sounds_finished_the_longer_it_waits(probability: float | None, silence_ms: int) -> None:
    assert patience_ms(probability, SILENCES, POLICY) == pytest.approx(silence_ms)


@pytest.mark.parametrize(
    ("known", "silence_ms", "verdict"),
    [
        (Pause(), 499, False),
        (Pause(), 500, Evidence.PROBABILITY),
        (Pause(has_text=True, ending=Ending.SENTENCE), 500, Evidence.PROBABILITY),
        (pause(0.8), 690, False),
        (pause(0.8, Ending.SENTENCE), 690, False),
        (pause(0.8), 710, Evidence.TEXT),
        (pause(0.8, Ending.SENTENCE), 710, True),
        (pause(0.9), 500, Evidence.TEXT),
        (pause(0.9, Ending.SENTENCE), 500, True),
        (pause(0.9, Ending.UNMARKED), 500, True),
        (pause(0.99, Ending.MIDDLE), 1200, False),
        (pause(None), 500, Evidence.TEXT),
        (pause(None, Ending.SENTENCE), 500, True),
        (pause(None, Ending.MIDDLE), 1200, False),
        (Pause(is_judged=True, probability=0.9, has_text=True), 500, True),
    ],
    ids=str,
)
def test_a_pause_ends_what_sounds_finished(known: Pause, silence_ms: int, verdict: bool | Evidence) -> None:
    assert over(known, silence_ms) is verdict


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (Pause(), Evidence.PROBABILITY),
        (pause(0.94, Ending.SENTENCE), False),
        (pause(0.95), Evidence.TEXT),
        (pause(0.95, Ending.SENTENCE), True),
        (pause(0.99, Ending.UNMARKED), False),
        (pause(None, Ending.SENTENCE), False),
    ],
    ids=str,
)
def test_less_silence_must_be_surer_and_ends_only_long_utterances(known: Pause, verdict: bool | Evidence) -> None:
    assert over(known, 300, is_long=True) is verdict
    assert over(known, 255, is_long=True) is False
    assert over(known, 300) is False


def test_without_a_model_the_text_decides_and_never_early() -> None:
    assert over(Pause(), 500, BY_TEXT) is Evidence.TEXT
    assert over(Pause(has_text=True, ending=Ending.MIDDLE), 500, BY_TEXT) is False
    assert over(Pause(has_text=True, ending=Ending.UNMARKED), 500, BY_TEXT) is True
    assert over(Pause(), 300, BY_TEXT, is_long=True) is False


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("He came.", Ending.SENTENCE),
        ("“Who came?”", Ending.SENTENCE),
        ("他来了。", Ending.SENTENCE),
        ("वह आया।", Ending.SENTENCE),
        ("and said to him,", Ending.MIDDLE),
        ("But she said...", Ending.MIDDLE),
        ("But she said…", Ending.MIDDLE),
        ("他说，", Ending.MIDDLE),
        ("the fireman", Ending.UNMARKED),
        ("เขามาแล้ว", Ending.UNMARKED),
        ("", Ending.UNMARKED),
    ],
)
def test_the_last_mark_of_a_text_tells_how_it_ends(text: str, ending: Ending) -> None:
    assert ending_of(text) is ending


def test_a_verdict_is_about_exactly_one_stretch_of_audio() -> None:
    verdicts = TurnVerdicts()
    verdicts.keep((0, 100), 0.7)
    assert (verdicts.is_known((0, 100)), verdicts.probability((0, 100))) == (True, 0.7)
    assert (verdicts.is_known((10, 100)), verdicts.probability((0, 200))) == (False, None)
    verdicts.keep((0, 200), None)
    assert (verdicts.is_known((0, 200)), verdicts.probability((0, 200))) == (True, None)
    assert not verdicts.is_known((0, 100))
