"""Numbered chunks come out in order, once, and a hole that stays is reported."""

import random

import pytest

from stt_gateway.core.live.reorder import MAX_EARLY_BYTES, MAX_EARLY_CHUNKS, Chunk, Missing, Reorder

pytestmark = pytest.mark.unit


def bare(parts: list[Chunk | Missing]) -> list[bytes | Missing]:
    return [part.data if isinstance(part, Chunk) else part for part in parts]


def pushed(reorder: Reorder, *numbers: int | None) -> list[bytes | Missing]:
    return [part for number in numbers for part in bare(reorder.push(number, str(number).encode()))]


def test_chunks_in_order_pass_at_once() -> None:
    reorder = Reorder()
    for number in (1, 2, 3):
        assert reorder.push(number, b"x") == [Chunk(number, b"x")]
        assert reorder.received_seq == number


def test_early_chunks_wait_for_the_missing_one() -> None:
    reorder = Reorder()
    assert pushed(reorder, 1, 3, 4) == [b"1"]
    assert reorder.received_seq == 1
    assert pushed(reorder, 2) == [b"2", b"3", b"4"]
    assert reorder.received_seq == 4


def test_repeated_chunks_go_whether_passed_or_waiting() -> None:
    reorder = Reorder()
    assert pushed(reorder, 1, 1, 3, 3, 1, 2, 2, 3) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_within_the_window_with_any_repetitions_gives_the_same_bytes(seed: int) -> None:
    rng = random.Random(seed)
    numbers = list(range(1, 501))
    # Each chunk moves back by less than the window.
    numbers.sort(key=lambda number: number + rng.uniform(0, MAX_EARLY_CHUNKS - 2))
    for _ in range(200):
        place = rng.randrange(len(numbers))
        numbers.insert(rng.randrange(place, min(place + 50, len(numbers))), numbers[place])
    reorder = Reorder()
    assert pushed(reorder, *numbers) == [str(number).encode() for number in range(1, 501)]
    assert reorder.received_seq == 500
    assert reorder.release() == []


def test_numbers_may_begin_at_0() -> None:
    assert pushed(Reorder(), 0, 1, 2) == [b"0", b"1", b"2"]
    assert pushed(Reorder(), 1, 0, 2) == [b"1", b"2"], "too late: 1 has passed"


def test_a_hole_that_stays_is_given_up_after_so_many_chunks() -> None:
    reorder = Reorder()
    early = list(range(3, 3 + MAX_EARLY_CHUNKS))
    assert pushed(reorder, 1, *early) == [b"1"]
    out = pushed(reorder, early[-1] + 1)
    assert out[0] == Missing(2, 2)
    assert out[1:] == [str(number).encode() for number in [*early, early[-1] + 1]]
    assert pushed(reorder, 2) == [], "comes after it was given up"


def test_a_hole_is_given_up_after_so_many_bytes() -> None:
    reorder = Reorder()
    half = bytes(MAX_EARLY_BYTES // 2)
    assert reorder.push(5, half) == []
    assert reorder.push(7, half) == []
    assert bare(reorder.push(9, b"x")) == [Missing(1, 4), half], "only as many as needed"
    assert bare(reorder.release()) == [Missing(6, 6), half, Missing(8, 8), b"x"]


def test_release_gives_out_what_waits_with_its_holes() -> None:
    reorder = Reorder()
    pushed(reorder, 1, 4, 7, 8)
    assert bare(reorder.release()) == [Missing(2, 3), b"4", Missing(5, 6), b"7", b"8"]
    assert reorder.received_seq == 8
    assert pushed(reorder, 9) == [b"9"]


def test_a_chunk_without_a_number_comes_after_all_before_it() -> None:
    reorder = Reorder()
    assert pushed(reorder, None, None) == [b"None", b"None"]
    assert pushed(reorder, 3, 5, None) == [b"3", Missing(4, 4), b"5", b"None"]
    assert reorder.received_seq == 6
    assert pushed(reorder, 7) == [b"7"]


def test_a_wild_number_costs_nothing_but_a_hole() -> None:
    reorder = Reorder()
    assert pushed(reorder, 2**53) == []
    assert bare(reorder.release()) == [Missing(1, 2**53 - 1), str(2**53).encode()]


def test_every_chunk_bears_its_number() -> None:
    reorder = Reorder()
    assert reorder.push(None, b"a") == [Chunk(1, b"a")]
    assert reorder.push(3, b"c") == []
    assert reorder.push(2, b"b") == [Chunk(2, b"b"), Chunk(3, b"c")]


def test_a_connection_that_goes_on_begins_behind_what_is_held() -> None:
    reorder = Reorder(received_seq=7)
    assert pushed(reorder, 6, 7, 8) == [b"8"]
    assert pushed(Reorder(received_seq=7), 0) == [], "a number 0 is no beginning here"
