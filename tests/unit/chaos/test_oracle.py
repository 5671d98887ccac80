"""The oracle's code: a window of its audio says exactly the whole frames inside it."""

import random

import numpy as np
import pytest
from chaos import oracle
from chaos.count import Count, count

from stt_transcriber.core.decoding import DecodeRequest, Quality
from stt_transcriber.vad.models import RmsVad

pytestmark = pytest.mark.unit


def test_every_index_is_read_back() -> None:
    for index in [*range(600), *random.Random(1).sample(range(2**24), 400), 2**24 - 1]:
        assert oracle.heard(oracle.frame(index)) == [(index, 0)]


def test_any_window_says_exactly_the_whole_frames_inside() -> None:
    speech = oracle.speech([7, 1, 12, 3], [300, 700, 1240, 900])
    rng = random.Random(2)
    places = [(index, at * 16) for index, at in speech.starts_ms.items()]
    for _ in range(500):
        begin, end = sorted(rng.sample(range(len(speech.samples) + 1), 2))
        inside = [(i, at - begin) for i, at in places if begin <= at and at + oracle.CODE_SAMPLES <= end]
        assert oracle.heard(speech.samples[begin:end]) == inside


def test_a_damaged_code_says_nothing() -> None:
    for broken_at in range(0, oracle.CODE_SAMPLES, 24):
        code = oracle.frame(1234)
        loud = abs(int(code[broken_at])) > 8000
        code[broken_at : broken_at + 24] = 5000 if loud else 12_000
        assert oracle.heard(code) == []


def test_the_engine_gives_words_their_times() -> None:
    speech = oracle.speech([2, 2], [300, 800])
    engine = oracle.OracleEngine("", 1, 0.0)
    (said,) = engine.decode([DecodeRequest(speech.samples.astype(np.float32) / 32768, None, quality=Quality.FULL)])
    assert said.text == "w000000 w000001 w000002 w000003"
    assert [round(spoken.start_s * 1000) for spoken in said.words] == list(speech.starts_ms.values())
    (nothing,) = engine.decode([DecodeRequest(np.zeros(16000, np.float32), None)])
    assert nothing.words == ()


@pytest.mark.parametrize("lead_ms", [0, 20, 160, 500])
def test_the_rms_gate_hears_frames_as_speech_and_gaps_as_silence(lead_ms: int) -> None:
    """Within an utterance no silence as long as the shortest endpoint, in a gap nothing but silence."""
    speech = oracle.speech([20, 30], [lead_ms, 700])
    windows = len(speech.samples) // 512
    loud = RmsVad().probabilities(speech.samples[: windows * 512].astype(np.float32) / 32768) >= 0.5
    second = speech.starts_ms[20]
    utterances = [range(speech.starts_ms[0], speech.starts_ms[19] + 60), range(second, speech.starts_ms[49] + 60)]
    for said in utterances:
        inside = loud[said.start // 32 + 1 : said.stop // 32]
        assert "".join("x" if voiced else " " for voiced in inside).strip().count("  ") == 0
    gap = loud[(utterances[0].stop // 32) + 1 : second // 32]
    assert not gap.any()


def _finals(*indices: list[int], speech: oracle.Speech) -> list[dict]:
    finals = [
        {
            "type": "final",
            "utterance": number,
            "words": [{"word": oracle.word(i), "start_ms": speech.starts_ms[i] if i < 5 else 0} for i in part],
        }
        for number, part in enumerate(indices, 1)
    ]
    return [*finals, {"type": "done"}]


def test_counting() -> None:
    speech = oracle.speech([5], [300])

    def counted(*indices: list[int]) -> Count:
        return count(speech, _finals(*indices, speech=speech))

    assert counted([0, 1], [2, 3, 4]).is_exact
    assert counted([0, 1], [3, 4]).lost == 1
    assert counted([0, 1, 2], [2, 3, 4]).doubled == 1
    assert counted([0, 2, 1], [3, 4]).disordered == 1
    assert counted([0, 1, 2, 3, 4, 99]).foreign == 1


def test_counting_finals_places_and_ends() -> None:
    speech = oracle.speech([5], [300])
    events = _finals([0, 1], [2, 3, 4], speech=speech)
    events[1]["utterance"] = 3
    events[0]["words"][1]["start_ms"] += 100
    counted = count(speech, events[:-1], cause="closed 4431")
    assert (counted.final_holes, counted.misplaced, counted.unfinished) == (1, 1, 1)
    assert counted.causes == {"closed 4431": 1}
    assert not counted.is_exact


def test_words_without_times_are_counted_and_those_that_died_are_no_loss() -> None:
    speech = oracle.speech([4], [300])
    final = {"type": "final", "utterance": 1, "words": [{"word": oracle.word(0)}, {"word": oracle.word(3)}]}
    counted = count(speech, [final, {"type": "done"}], gone={2, 3})
    assert (counted.lost, counted.gone, counted.misplaced, counted.unfinished) == (1, 1, 0, 0)
    assert not counted.is_exact
    assert count(speech, [final, {"type": "done"}], gone={1, 2}).is_exact
