"""Greedy decoding along a guess, on a language model of ten tokens."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.fake_whisper import END, RULES, START, FakeWhisper, Says, after_each, babble, script, window

from stt_transcriber.engines.onnx import greedy
from stt_transcriber.engines.onnx.search import DecodedText, Window

pytestmark = pytest.mark.unit
SENTENCE = (3, 1, 4, 1, 5, 2, 6)


def reading(sentence: Sequence[int]) -> Says:
    """Says the sentence and ends; after another text it ends at once."""
    lines = {tuple(sentence[:i]): {token: 0.9} for i, token in enumerate(sentence)}
    return script(lines, {END: 0.8})


def stepped(says: Says, one: Window, name: int = 1) -> tuple[list[int], bool]:
    """Token by token, without a cache: text, and whether it was cut."""
    text: list[int] = []
    while True:
        shares = says(name, (*one.start, *text)).copy()
        if not text:
            shares[list(RULES.not_first)] = 0
        token = int(shares.argmax())
        if token == END or len(text) == one.limit:
            return text, token != END
        text.append(token)


def heard(says: Says, *windows: Window) -> tuple[list[DecodedText], int]:
    """The texts, and how often the decoder ran."""
    model = FakeWhisper(says)
    return greedy.decode(model.as_model, RULES, windows), model.runs


def assert_same(one: DecodedText, other: DecodedText) -> None:
    assert (one.tokens, one.truncated, one.no_speech_prob) == (other.tokens, other.truncated, other.no_speech_prob)
    assert one.logprobs == pytest.approx(other.logprobs, abs=1e-6)
    assert np.array_equal(np.stack(one.attention), np.stack(other.attention))


@pytest.mark.parametrize("name", range(30))
def test_without_a_guess_it_steps(name: int) -> None:
    (text,), runs = heard(babble, window(name=name))
    assert (text.tokens, text.truncated) == stepped(babble, window(), name)
    assert len(text.logprobs) == len(text.attention) == len(text.tokens) + 1
    assert text.no_speech_prob == name / 100
    assert runs == len(text.tokens) + 1


WRONG = [(*SENTENCE[:i], 7, *SENTENCE[i + 1 :]) for i in range(len(SENTENCE))]
SHORT = [SENTENCE[:i] for i in range(len(SENTENCE))]
LONG = [(*SENTENCE, 5), (*SENTENCE, 5, 1, 1, 2), (*SENTENCE, *SENTENCE)]


@pytest.mark.parametrize("guess", [SENTENCE, *WRONG, *SHORT, *LONG, (8, 8), (END, END), (7,) * 30])
def test_a_guess_never_changes_the_text(guess: tuple[int, ...]) -> None:
    (alone,), _ = heard(reading(SENTENCE), window())
    (along,), _ = heard(reading(SENTENCE), window(guess))
    assert tuple(alone.tokens) == SENTENCE
    assert_same(along, alone)


@pytest.mark.parametrize("name", range(20))
def test_no_guess_changes_what_any_model_says(name: int) -> None:
    (alone,), _ = heard(babble, window(name=name))
    random = np.random.default_rng(name)
    for kept in range(len(alone.tokens) + 1):
        guess = [*alone.tokens[:kept], *random.integers(0, END, 4).tolist()]
        (along,), _ = heard(babble, window(guess, name=name))
        assert_same(along, alone)


def test_what_the_guess_has_right_costs_no_run_of_its_own() -> None:
    says = reading(SENTENCE)
    assert heard(says, window())[1] == len(SENTENCE) + 1
    assert heard(says, window(SENTENCE))[1] == 1
    for right in range(len(SENTENCE)):
        # The tokens behind it, and the end.
        assert heard(says, window(SHORT[right]))[1] == 1 + len(SENTENCE) - right
    assert heard(says, window(LONG[0]))[1] == 1


NO_TOKEN_TWICE = (3, 1, 4, 0, 5, 2, 6)


@pytest.mark.parametrize("at", range(5))
def test_behind_a_difference_the_rest_of_the_guess_costs_one_run(at: int) -> None:
    says = reading(NO_TOKEN_TWICE)
    before, behind = NO_TOKEN_TWICE[:at], NO_TOKEN_TWICE[at:]
    # The token that differs joins the guess itself, or the one behind it does.
    for guess, runs in (((*before, 7, *behind), 2), ((*before, 7, *behind[1:]), 3), ((*before, *behind[1:]), 3)):
        (text,), ran = heard(says, window(guess))
        assert tuple(text.tokens) == NO_TOKEN_TWICE
        assert ran == runs


@pytest.mark.parametrize("phrase", [(5,), (5, 2), (1, 2, 3), (6, 1, 6, 2, 0)])
def test_a_loop_runs_into_its_limit_in_few_runs(phrase: tuple[int, ...]) -> None:
    says = reading((4, *phrase * 60))
    (text,), runs = heard(says, window(limit=60))
    assert (text.tokens, text.truncated) == ([4, *phrase * 60][:60], True)
    assert runs <= 1 + len(phrase) + 3 + 60 // 13 + 1


def test_a_text_that_repeats_itself_and_goes_on_is_what_stepping_gives() -> None:
    said = (1, 2, 3, 4, 1, 2, 3, 5, 1, 2, 3, 4, 6)
    (text,), runs = heard(reading(said), window())
    assert tuple(text.tokens) == said
    assert runs < len(said)


def test_windows_decoded_together_say_what_each_says_alone() -> None:
    windows = [
        window(name=1),
        window(stepped(babble, window(), 2)[0], name=2),
        window((0, 1, 2, 3, 4, 5), name=3, start=(101, 102, 103, 104, 105)),
        window(stepped(babble, window(), 4)[0][:2], name=4, limit=3),
    ]
    for order in itertools.permutations(windows):
        run_together, _ = heard(babble, *order)
        for one, text in zip(order, run_together, strict=True):
            assert_same(text, heard(babble, one)[0][0])


def test_windows_decoded_together_take_as_many_runs_as_the_longest() -> None:
    windows = [window(name=name) for name in range(1, 6)]
    alone = [heard(babble, one)[1] for one in windows]
    assert heard(babble, *windows)[1] == max(alone) < sum(alone)


@pytest.mark.parametrize("guess", [(), SENTENCE, SENTENCE[:2], WRONG[1]])
def test_the_limit_cuts_and_is_told(guess: tuple[int, ...]) -> None:
    (cut,), _ = heard(reading(SENTENCE), window(guess, limit=4))
    assert (tuple(cut.tokens), cut.truncated) == (SENTENCE[:4], True)
    assert len(cut.logprobs) == len(cut.attention) == 5
    (whole,), _ = heard(reading(SENTENCE), window(guess, limit=len(SENTENCE)))
    assert (tuple(whole.tokens), whole.truncated) == (SENTENCE, False)


@pytest.mark.parametrize("guess", [(), (8,), (END,), (2,), (2, 8)])
def test_some_tokens_begin_no_text(guess: tuple[int, ...]) -> None:
    says = script({(): {END: 0.5, 8: 0.3, 2: 0.1}, (2,): {8: 0.9}}, {END: 0.9})
    (text,), _ = heard(says, window(guess))
    assert text.tokens == [2, 8]
    assert text.logprobs == pytest.approx(np.log([0.1, 0.9, 0.9]), abs=1e-4)


def test_what_comes_before_the_text_is_seen() -> None:
    def says(_: int, text: tuple[int, ...]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        shares = np.full(END + 1, 0.01, np.float32)
        shares[7 if text[0] == 7 else 2] = 0.5
        return shares

    context = (7, *START[1:])
    run_together, _ = heard(
        says, window(start=START, limit=1), window(start=context, limit=1), window((7,), start=START, limit=1)
    )
    assert [text.tokens for text in run_together] == [[2], [7], [2]]


def doubting(least: float) -> Says:
    """As sure of the sentence as may be, but for its third token."""
    lines = {tuple(SENTENCE[:i]): {token: least if i == 2 else 0.9} for i, token in enumerate(SENTENCE)}
    return script(lines, {END: 0.8})


@pytest.mark.parametrize("guess", [(), SENTENCE, *WRONG, *SHORT, *LONG])
def test_a_sure_text_is_found_whatever_the_guess(guess: tuple[int, ...]) -> None:
    model = FakeWhisper(doubting(0.5))
    text = greedy.sure(model.as_model, RULES, window(guess), math.log(0.45))
    alone = greedy.sure(FakeWhisper(doubting(0.5)).as_model, RULES, window(), math.log(0.45))
    assert text is not None
    assert alone is not None
    assert tuple(text.tokens) == SENTENCE
    assert_same(text, alone)


@pytest.mark.parametrize("guess", [(), SENTENCE, *WRONG, *SHORT, *LONG])
def test_a_text_with_a_doubtful_token_is_given_up(guess: tuple[int, ...]) -> None:
    model = FakeWhisper(doubting(0.3))
    assert greedy.sure(model.as_model, RULES, window(guess), math.log(0.45)) is None
    assert model.runs <= 4, "there, not at its end"


def test_of_a_sure_guess_one_run_is_enough() -> None:
    model = FakeWhisper(reading(SENTENCE))
    assert greedy.sure(model.as_model, RULES, window(SENTENCE), math.log(0.45)) is not None
    assert model.runs == 1


def test_a_text_without_an_end_is_not_sure() -> None:
    says = script({}, {3: 0.9})
    assert greedy.sure(FakeWhisper(says).as_model, RULES, window(), math.log(0.45)) is None


def test_a_loop_is_cut_sooner_than_other_texts() -> None:
    loop = after_each({}, {1: 0.97, 2: 0.02})
    (found,) = greedy.decode(FakeWhisper(loop).as_model, RULES, [replace(window(limit=40), loop_limit=12)])
    assert (found.truncated, len(found.tokens)) == (True, 12)
    counting = script({tuple(i % 8 for i in range(n)): {n % 8: 0.9} for n in range(10)}, {END: 0.9})
    (decoded,) = greedy.decode(FakeWhisper(counting).as_model, RULES, [replace(window(limit=40), loop_limit=5)])
    assert (decoded.tokens, decoded.truncated) == ([*range(8), 0, 1], False)
