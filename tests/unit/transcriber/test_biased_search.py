"""Greedy and beam search with keyterms, on a language model of ten tokens.

Token 3 followed by 4 is a keyterm of two tokens; 3 alone is the beginning of a word, and 0, 1, 2 are other words.
"""

import math
from dataclasses import replace

import pytest
from support.fake_whisper import END, RULES, FakeWhisper, Says, babble, script, window

from stt_transcriber.engines.keyterms import LEAST_LOGPROB, Keyterms
from stt_transcriber.engines.onnx import beam, beam_batch, greedy
from stt_transcriber.engines.onnx.search import DecodedText, Window

pytestmark = pytest.mark.unit
TEXTS = [" zero", " one", " two", " Mo", "on", " five", " six", " seven", " eight"]
TERM = Keyterms(["Moon"], lambda text: [3, 4] if text == " Moon" else [], lambda tokens: TEXTS[tokens[0]], END)
SAID = {(): {1: 0.5, 3: 0.2}, (3,): {4: 0.4, 5: 0.5}, (3, 4): {END: 0.9}, (1,): {END: 0.9}}
"""The model alone says 1; the phrase sounds likely enough."""
HALF = {(): {1: 0.5, 3: 0.2}, (3,): {5: 0.9, 4: 1e-4}, (3, 5): {END: 0.9}, (1,): {2: 0.9}, (1, 2): {END: 0.9}}
"""Only the beginning of the phrase sounds likely."""


def biased(one: Window | None = None) -> Window:
    return replace(one or window(), keyterms=TERM)


def greedily(says: Says, one: Window) -> DecodedText:
    return greedy.decode(FakeWhisper(says).as_model, RULES, [one])[0]


def searched(says: Says, one: Window, beam_size: int = 3) -> DecodedText:
    return beam.decode(FakeWhisper(says).as_model, RULES, one, beam_size)


def test_a_phrase_that_the_model_alone_misses_is_found() -> None:
    says = script(SAID, {END: 0.9})
    assert greedily(says, window()).tokens == searched(says, window()).tokens == [1]
    assert greedily(says, biased()).tokens == searched(says, biased()).tokens == [3, 4]


def test_a_phrase_may_have_begun_in_what_was_said_before() -> None:
    says = script({(3,): {5: 0.5, 4: 0.2}, (3, 4): {END: 0.9}, (3, 5): {END: 0.9}}, {END: 0.9})
    after = replace(window(), said=(3,))
    assert greedily(says, after).tokens == searched(says, after).tokens == [5]
    assert greedily(says, biased(after)).tokens == searched(says, biased(after)).tokens == [4]


def test_log_probabilities_are_the_models_own() -> None:
    says = script(SAID, {END: 0.9})
    own = [math.log(share) for share in (0.2, 0.4, 0.9)]
    assert greedily(says, biased()).logprobs == pytest.approx(own)
    assert searched(says, biased()).logprobs == pytest.approx(own)


def test_half_a_phrase_gets_nothing() -> None:
    says = script(HALF, {END: 0.9})
    assert greedily(says, biased()).tokens == [1, 2]
    assert searched(says, biased()).tokens == [1, 2]
    plain = greedily(says, window())
    assert greedily(says, biased()).logprobs == pytest.approx(plain.logprobs)
    assert [row.tolist() for row in greedily(says, biased()).attention] == [row.tolist() for row in plain.attention]


@pytest.mark.parametrize("says", [script(SAID, {END: 0.9}), script(HALF, {END: 0.9})])
@pytest.mark.parametrize("guess", [(), (1,), (1, 2), (3, 4), (3, 5), (3, 5, 5), (3, 4, 1, 1), (7, 7, 7)])
def test_a_guess_never_changes_the_text(says: Says, guess: tuple[int, ...]) -> None:
    alone, along = greedily(says, biased()), greedily(says, biased(window(guess)))
    assert (along.tokens, along.truncated) == (alone.tokens, alone.truncated)
    assert along.logprobs == pytest.approx(alone.logprobs, abs=1e-6)


@pytest.mark.parametrize("name", range(60))
def test_no_guess_changes_what_any_model_says(name: int) -> None:
    """Babble goes into phrases and out of them again, also in the middle of a guess."""
    alone = greedily(babble, biased(window(name=name)))
    for kept in range(len(alone.tokens) + 1):
        for more in ((3,), (3, 4), (3, 5, 1), (1, 3)):
            along = greedily(babble, biased(window((*alone.tokens[:kept], *more), name=name)))
            assert (along.tokens, along.truncated) == (alone.tokens, alone.truncated)
            assert along.logprobs == pytest.approx(alone.logprobs, abs=1e-6)


@pytest.mark.parametrize("name", range(20))
def test_a_batch_says_what_each_says_alone(name: int) -> None:
    """With keyterms and without them, together."""
    windows = [biased(window(name=name)), window(name=name), biased(window((3, 5), name=name + 1))]
    together = greedy.decode(FakeWhisper(babble).as_model, RULES, windows)
    files = beam_batch.decode(FakeWhisper(babble).as_file_model, RULES, windows, 3, lambda: None)
    for one, text, file in zip(windows, together, files, strict=True):
        assert text.tokens == greedily(babble, one).tokens
        alone = searched(babble, one)
        assert (file.tokens, file.logprobs) == (alone.tokens, alone.logprobs)


@pytest.mark.parametrize("name", range(20))
def test_keyterms_that_nothing_sounds_like_change_nothing(name: int) -> None:
    other = Keyterms(["x"], lambda _: [8], lambda tokens: TEXTS[tokens[0]], END)

    def never(of: int, text: tuple[int, ...]) -> object:
        shares = babble(of, text).copy()
        shares[8] = math.exp(LEAST_LOGPROB) / 2
        return shares

    plain = window(name=name)
    deaf = replace(plain, keyterms=other)
    assert greedily(never, deaf).tokens == greedily(never, plain).tokens  # type: ignore[arg-type]
    assert searched(never, deaf).tokens == searched(never, plain).tokens  # type: ignore[arg-type]


@pytest.mark.parametrize("beam_size", [1, 2, 3, 4])
@pytest.mark.parametrize("name", range(20))
def test_a_phrase_that_is_only_begun_changes_nothing(beam_size: int, name: int) -> None:
    """Its text takes no beam from others, and keeps no search from ending."""

    def never(of: int, text: tuple[int, ...]) -> object:
        shares = babble(of, text).copy()
        if text[-1] == 3:
            shares[4] = math.exp(LEAST_LOGPROB) / 2
        return shares

    plain = window(name=name)
    found, alone = searched(never, biased(plain), beam_size), searched(never, plain, beam_size)  # type: ignore[arg-type]
    assert (found.tokens, found.logprobs, found.truncated) == (alone.tokens, alone.logprobs, alone.truncated)


def test_a_phrase_is_found_beside_as_many_others_as_there_are_beams() -> None:
    says = script({(): {1: 0.5, 2: 0.3, 3: 0.01}, (3,): {4: 0.9}, (3, 4): {END: 0.9}}, {END: 0.9})
    assert [searched(says, one, 2).tokens for one in (window(), biased())] == [[1], [3, 4]]


def test_a_phrase_is_not_said_again_for_its_bonus() -> None:
    said = {(): {3: 0.5, 1: 0.4}, (3,): {4: 0.9}, (3, 4): {END: 0.5, 3: 0.1}}
    again = {(3, 4) * n: {END: 0.5, 3: 0.1} for n in range(2, 12)} | {(*(3, 4) * n, 3): {4: 0.9} for n in range(1, 12)}
    says = script(said | again, {END: 0.9})
    assert greedily(says, biased()).tokens == searched(says, biased()).tokens == [3, 4]


def test_a_sure_text_is_sure_by_the_model_alone() -> None:
    """The bonus makes the phrase win, but not likely: a search decides."""
    says = script(SAID, {END: 0.9})
    model = FakeWhisper(says).as_model
    assert greedy.sure(model, RULES, window(), math.log(0.4)) is not None
    assert greedy.sure(model, RULES, biased(), math.log(0.4)) is None
