"""Times of tokens, from the decoder's attention."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from stt_transcriber.engines.onnx.alignment import token_starts

pytestmark = pytest.mark.unit
Floats = NDArray[np.float32]


def looking(spans: list[tuple[int, int]], positions: int) -> Floats:
    """Attention of tokens that look at begin…end each, with a little everywhere."""
    attention = np.full((len(spans), positions), 0.01, np.float32)
    for row, (begin, end) in enumerate(spans):
        attention[row, begin:end] = 1.0
    return attention / attention.sum(axis=1, keepdims=True)


def collected(attention: Floats, starts: list[int]) -> float:
    """The attention on a way: token i has the positions from its start to the next token's."""
    shares = attention / (attention.sum(axis=1, keepdims=True) + 1e-9)
    seen = (shares - shares.mean(axis=0)) / (shares.std(axis=0) + 1e-6)
    ends = [*starts[1:], attention.shape[1]]
    return float(sum(seen[row, begin:end].sum() for row, (begin, end) in enumerate(zip(starts, ends, strict=True))))


def most_collected(attention: Floats) -> float:
    """Over all ways there are."""
    tokens, positions = attention.shape
    # Starts may be equal: a token then has no position of its own. Combinations with shifts count just these.
    ways = combinations(range(positions + tokens - 1), tokens - 1)
    return max(collected(attention, [0, *(s - i for i, s in enumerate(way))]) for way in ways)


def test_tokens_begin_where_the_decoder_begins_to_look_at_them() -> None:
    starts = token_starts(looking([(0, 10), (10, 14), (14, 30), (30, 50)], 50))
    assert starts.tolist() == [0, 10, 14, 30]


def test_a_pause_moves_no_token_behind_it() -> None:
    starts = token_starts(looking([(0, 10), (10, 20), (60, 70), (70, 80)], 100))
    assert starts[:2].tolist() == [0, 10]
    # Nobody looks at 20…60: its begin may lie anywhere there, its end may not.
    assert 20 <= starts[2] <= 60
    assert starts[3] == 70


def test_a_token_that_looks_back_is_put_in_order() -> None:
    starts = token_starts(looking([(0, 10), (30, 40), (12, 20), (40, 50)], 50))
    assert starts.tolist() == sorted(starts.tolist())
    assert starts[3] == 40


def test_a_pause_at_the_end_is_not_the_last_words() -> None:
    """The last two, a mark and the end, look at what lies after the window, and here only a little."""
    attention = looking([(0, 10), (10, 20), (20, 35), (35, 60)], 60)
    assert token_starts(attention).tolist() == [0, 10, 20, 35]
    faint = attention * np.array([[1.0], [1.0], [0.01], [0.01]], np.float32)
    assert token_starts(faint).tolist() == [0, 10, 20, 35]


@pytest.mark.parametrize(("tokens", "positions"), [(0, 0), (0, 5), (1, 1), (1, 7), (4, 1), (7, 3), (3, 0)])
def test_there_may_be_few_tokens_and_few_positions(tokens: int, positions: int) -> None:
    attention = np.random.default_rng(5).random((tokens, positions), np.float32)
    starts = token_starts(attention)
    assert starts.dtype == np.int64
    assert len(starts) == tokens
    assert starts.tolist() == sorted(starts.tolist())
    assert all(0 <= start < max(1, positions) for start in starts)
    if tokens:
        assert starts[0] == 0


@pytest.mark.parametrize("seed", range(40))
def test_no_way_collects_more_attention(seed: int) -> None:
    random = np.random.default_rng(seed)
    tokens, positions = int(random.integers(1, 6)), int(random.integers(1, 9))
    attention = random.random((tokens, positions), np.float32)
    # The last start is kept inside the window: a token after it would have begun at its end.
    inside = np.concatenate([attention, np.zeros((tokens, 1), np.float32)], axis=1)
    found = token_starts(inside)
    assert found.tolist() == sorted(found.tolist())
    assert collected(inside, found.tolist()) == pytest.approx(most_collected(inside), abs=1e-4)
