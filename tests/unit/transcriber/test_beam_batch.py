"""Beam search over several windows at once, on a language model of ten tokens."""

from collections.abc import Sequence

import pytest
from support.fake_whisper import RULES, START, FakeWhisper, babble, window

from stt_transcriber.engines.onnx import beam, beam_batch
from stt_transcriber.engines.onnx.search import DecodedText, Window

pytestmark = pytest.mark.unit


def run_together(windows: Sequence[Window], beam_size: int = 3, *, may_repeat: bool = True) -> list[DecodedText]:
    model = FakeWhisper(babble).as_file_model
    return beam_batch.decode(model, RULES, windows, beam_size, lambda: None, may_repeat=may_repeat)


def assert_same(found: DecodedText, alone: DecodedText) -> None:
    assert (found.tokens, found.logprobs, found.truncated) == (alone.tokens, alone.logprobs, alone.truncated)
    assert found.no_speech_prob == alone.no_speech_prob
    assert [row.tolist() for row in found.attention] == [row.tolist() for row in alone.attention]


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("may_repeat", [True, False])
def test_windows_say_what_each_says_alone(beam_size: int, may_repeat: bool) -> None:
    windows = [window(name=name, limit=limit) for name, limit in enumerate((20, 3, 20, 1, 20, 20, 8))]
    found = run_together(windows, beam_size, may_repeat=may_repeat)
    alone = [beam.decode(FakeWhisper(babble).as_model, RULES, one, beam_size, may_repeat=may_repeat) for one in windows]
    assert len({len(text.tokens) for text in alone}) > 2, "they end at different steps"
    for text, other in zip(found, alone, strict=True):
        assert_same(text, other)


def test_windows_with_contexts_of_different_lengths_are_answered_in_their_order() -> None:
    starts = [START, (*START, 104), START, (*START, 104, 105)]
    windows = [window(name=name, start=start) for name, start in enumerate(starts)]
    for text, one in zip(run_together(windows), windows, strict=True):
        assert_same(text, beam.decode(FakeWhisper(babble).as_model, RULES, one, 3))


def test_it_gives_way_before_each_run_of_the_decoder() -> None:
    model = FakeWhisper(babble)
    given: list[int] = []
    beam_batch.decode(model.as_file_model, RULES, [window(), window(name=2)], 3, lambda: given.append(model.runs))
    assert given == list(range(model.runs))
