"""Beam search, on a language model of ten tokens."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from support.fake_whisper import END, RULES, START, FakeWhisper, Says, after_each, babble, script, window

from stt_transcriber.engines.onnx import beam, greedy
from stt_transcriber.engines.onnx.search import DecodedText, Window

pytestmark = pytest.mark.unit
MISLED = script(
    {(): {1: 0.5, 2: 0.4}, (1,): {3: 0.2, 4: 0.2}, (2,): {5: 0.9}, (2, 5): {6: 0.9}, (2, 5, 6): {END: 0.9}},
    {END: 0.4},
)
"""The more probable beginning leads to the less probable text."""


def searched(says: Says, one: Window, beam_size: int, *, may_repeat: bool = True) -> DecodedText:
    return beam.decode(FakeWhisper(says).as_model, RULES, one, beam_size, may_repeat=may_repeat)


def greedily(says: Says, one: Window) -> DecodedText:
    return greedy.decode(FakeWhisper(says).as_model, RULES, [one])[0]


def plainly_searched(says: Says, one: Window, beam_size: int, name: int) -> tuple[list[int], bool]:
    """The same search over whole texts, without cache or tree."""
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    ended: list[tuple[float, tuple[int, ...]]] = []
    while True:
        steps = [
            (total + math.log(share), (*text, token))
            for total, text in live
            for token, share in enumerate(says(name, (*one.start, *text)).tolist())
            if text or token not in RULES.not_first
        ]
        live = []
        for total, text in sorted(steps, key=lambda step: -step[0]):
            if len(live) == beam_size:
                break
            if text[-1] == END:
                ended.append((total / len(text), text[:-1]))
            else:
                live.append((total, text))
        likeliest = max((score * (len(text) + 1) for score, text in ended), default=-math.inf)
        over = len(ended) >= beam_size and all(total <= likeliest + 1e-9 for total, _ in live)
        if over or (ended and len(live[0][1]) > one.limit):
            return list(max(ended, key=lambda scored: scored[0])[1]), False
        if len(live[0][1]) > one.limit:
            return list(live[0][1][:-1]), True


def test_it_finds_what_greedy_misses() -> None:
    greedy_text, best = greedily(MISLED, window()), searched(MISLED, window(), 2)
    assert greedy_text.tokens[0] == 1
    assert best.tokens == [2, 5, 6]
    assert best.logprobs == pytest.approx([math.log(share) for share in (0.4, 0.9, 0.9, 0.9)], abs=1e-4)
    assert sum(best.logprobs) > sum(greedy_text.logprobs)


@pytest.mark.parametrize("name", range(30))
def test_one_beam_is_greedy(name: int) -> None:
    one, other = searched(babble, window(name=name), 1), greedily(babble, window(name=name))
    assert (one.tokens, one.truncated, one.no_speech_prob) == (other.tokens, other.truncated, other.no_speech_prob)
    assert one.logprobs == pytest.approx(other.logprobs, abs=1e-6)
    assert [row.tolist() for row in one.attention] == [row.tolist() for row in other.attention]


@pytest.mark.parametrize("beam_size", [2, 3, 5])
@pytest.mark.parametrize("name", range(20))
def test_the_tree_in_one_cache_finds_what_whole_texts_find(beam_size: int, name: int) -> None:
    for limit in (3, 20):
        found = searched(babble, window(name=name, limit=limit), beam_size)
        assert (found.tokens, found.truncated) == plainly_searched(babble, window(limit=limit), beam_size, name)
        assert len(found.logprobs) == len(found.attention) == len(found.tokens) + 1
        assert found.no_speech_prob == name / 100


def test_each_tokens_attention_is_its_own_texts() -> None:
    found = searched(MISLED, window(), 3)
    for length, row in enumerate(found.attention):
        text = [*START, *found.tokens[:length]]
        width = len(text)
        alone = FakeWhisper(MISLED).batch([window().encoding])
        _, attention = alone.run(np.array([text]), np.arange(width)[None], np.tri(width, dtype=np.bool_)[None])
        assert row.tolist() == attention[0, -1].tolist()


def test_an_end_below_the_rank_of_the_beams_ends_nothing() -> None:
    """At every step some end is among the four best, never among the two: half a sentence would be taken for one."""
    sentence = (1,) * 8
    says = script({sentence: {END: 0.9}, (): {1: 0.98}}, {1: 0.49, 2: 0.3, END: 0.19})
    found = searched(says, window(), 2)
    assert tuple(found.tokens) == sentence
    assert not found.truncated


@pytest.mark.parametrize("name", range(5))
def test_a_guess_has_no_say_in_a_final(name: int) -> None:
    one, other = searched(babble, window((1, 2, 3), name=name), 5), searched(babble, window(name=name), 5)
    assert (one.tokens, one.logprobs) == (other.tokens, other.logprobs)


def fours(tokens: Sequence[int]) -> list[tuple[int, ...]]:
    return [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_loop_goes_round_unless_it_may_not(beam_size: int) -> None:
    loop = after_each({START[-1]: {0: 0.9}, **{i: {(i + 1) % 4: 0.95, END: 1e-6} for i in range(4)}}, {END: 1e-6})
    looped = searched(loop, window(limit=16), beam_size)
    assert looped.truncated
    assert len(set(fours(looped.tokens))) < len(fours(looped.tokens))
    straight = searched(loop, window(limit=16), beam_size, may_repeat=False)
    assert len(straight.tokens) >= 4
    assert len(set(fours(straight.tokens))) == len(fours(straight.tokens))


def test_three_tokens_may_come_twice() -> None:
    sentence = (1, 2, 3, 4, 1, 2, 3, 5)
    lines = {sentence[:i]: {token: 0.9} for i, token in enumerate(sentence)}
    found = searched(script(lines, {END: 0.9}), window(), 2, may_repeat=False)
    assert tuple(found.tokens) == sentence


def test_a_text_that_may_go_on_nowhere_it_would_like_goes_on_elsewhere() -> None:
    """After 1, 2, 3 every likely token has come already: more than a beam looks at."""
    said = tuple(token for last in (0, 4, 5, 6, 7) for token in (1, 2, 3, last))
    lines = {said[:i]: {token: 0.99} for i, token in enumerate(said)}
    opening = (*said, 1, 2, 3)
    lines |= {opening[: len(said) + i]: {token: 0.99} for i, token in enumerate((1, 2, 3))}
    lines[opening] = {0: 0.3, 4: 0.2, 5: 0.2, 6: 0.15, 7: 0.1}
    found = searched(script(lines, {END: 0.9}), window(limit=40), 1, may_repeat=False)
    assert tuple(found.tokens[: len(opening)]) == opening
    assert len(set(fours(found.tokens))) == len(fours(found.tokens))
    assert not found.truncated


@pytest.mark.parametrize("beam_size", [1, 3])
def test_the_limit_cuts_and_is_told(beam_size: int) -> None:
    endless = after_each({}, {1: 0.6, 2: 0.39})
    found = searched(endless, window(limit=6), beam_size)
    assert (found.tokens, found.truncated) == ([1] * 6, True)
    assert len(found.logprobs) == len(found.attention) == 7


def test_a_text_that_ended_is_taken_before_one_that_runs_into_the_limit() -> None:
    says = script({(): {1: 0.7, 2: 0.2}, (2,): {END: 0.98}}, {1: 0.97})
    found = searched(says, window(limit=6), 3)
    assert (found.tokens, found.truncated) == ([2], False)


def test_texts_that_end_early_do_not_end_the_search_while_a_better_one_grows() -> None:
    """As where speech repeats itself: after each phrase the text may well be over. Two ended texts would have been
    enough to stop, and half of what was said was lost."""
    said = (1, 2, 3, 4, 5, 6)
    lines = {said[:i]: {token: 0.8, END: 0.15} for i, token in enumerate(said)}
    assert tuple(searched(script(lines, {END: 0.98}), window(), 2).tokens) == said


def test_some_tokens_begin_no_text() -> None:
    says = script({(): {END: 0.5, 8: 0.3, 2: 0.1}, (2,): {8: 0.9}}, {END: 0.9})
    for beam_size in (1, 2, 5):
        assert searched(says, window(), beam_size).tokens == [2, 8]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_loop_is_cut_sooner_than_other_texts(beam_size: int) -> None:
    loop = after_each({}, {1: 0.97, 2: 0.02})
    found = searched(loop, replace(window(limit=40), loop_limit=12), beam_size)
    assert (found.truncated, len(found.tokens) <= 13) == (True, True)
    counting = script({tuple(i % 8 for i in range(n)): {n % 8: 0.9} for n in range(10)}, {END: 0.9})
    decoded = searched(counting, replace(window(limit=40), loop_limit=5), beam_size)
    assert (decoded.tokens, decoded.truncated) == ([*range(8), 0, 1], False)


def test_a_text_beside_a_loop_may_go_on_beyond_its_end() -> None:
    """The loop is more probable all along, and would take the place of the text at the limit."""
    said = (2, 3, 4, 5, 6, 7, 0, 1, 2, 4, 6, 0, 3, 5, 7)
    lines = {(): {1: 0.6, 2: 0.39}} | {said[:i]: {said[i]: 0.9} for i in range(1, len(said))} | {said: {END: 0.99}}
    lines |= {(1,) * n: {1: 0.97} for n in range(1, 41)}
    found = searched(script(lines, {1: 0.3}), replace(window(limit=40), loop_limit=9), 2)
    assert (tuple(found.tokens), found.truncated) == (said, False)
