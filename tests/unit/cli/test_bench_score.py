"""Figures of `stt bench` from states of the screen, on cases small enough to work out by hand."""

from pathlib import Path

import pytest

from stt_cli.bench.manifest import SpokenWord, Utterance
from stt_cli.bench.score import Latencies, Played, add_session, quantiles
from stt_cli.bench.screen import Picture, Screen

pytestmark = pytest.mark.unit


def spoken(*words: tuple[str, float, float]) -> Utterance:
    text = " ".join(word for word, _, _ in words)
    return Utterance(Path("a.wav"), text, tuple(SpokenWord(*word) for word in words), bytes(64_000))


COUNT = spoken(("one", 0.5, 1.0), ("two", 1.0, 1.5))


def scored(pictures: list[Picture], *played: Played) -> Latencies:
    latencies = Latencies()
    add_session(latencies, pictures, played, str.lower)
    return latencies


def test_a_word_is_shown_when_it_is_first_there_and_settled_when_it_is_there_for_good() -> None:
    found = scored([Picture(101.2, "one"), Picture(101.8, "won too"), Picture(102.0, "One two")], Played(100.0, COUNT))
    # "one" came at 101.2, went at 101.8, and stayed from 102.0 on.
    assert found.shown == pytest.approx([0.2, 0.5])
    assert found.settled == pytest.approx([1.0, 0.5])
    assert found.first == pytest.approx([0.7])
    assert found.final == pytest.approx([0.5])


def test_flicker_counts_words_that_give_way_to_others_by_word_of_the_last_picture() -> None:
    found = scored([Picture(101.2, "one"), Picture(101.8, "won too"), Picture(102.0, "one two")], Played(100.0, COUNT))
    assert (found.changes, found.words) == (3, 2)
    assert found.flicker_per_word == 1.5


def test_one_wrong_word_does_not_count_against_those_behind_it() -> None:
    found = scored([Picture(101.6, "x one two")], Played(100.0, COUNT))
    assert found.shown == pytest.approx([0.6, 0.1])


def test_an_equal_word_that_stood_there_before_this_one_was_spoken_is_another() -> None:
    twice = [Played(100.0, COUNT), Played(110.0, COUNT)]
    found = scored([Picture(101.7, "one two"), Picture(111.9, "one two one two")], *twice)
    assert found.shown == pytest.approx([0.7, 0.2, 0.9, 0.4])
    assert found.final == pytest.approx([0.2, 0.4])
    assert scored([Picture(100.1, "one two")], Played(100.0, COUNT)).shown == []


def test_words_that_were_never_spoken_have_no_latency() -> None:
    assert scored([Picture(102.0, "something else")], Played(100.0, COUNT)).shown == []
    assert scored([], Played(100.0, COUNT)) == Latencies()


def test_recordings_without_times_keep_their_place_among_those_with() -> None:
    untimed = Utterance(Path("b.wav"), "one two", (), bytes(64_000))
    found = scored([Picture(111.8, "one two one two")], Played(100.0, untimed), Played(110.0, COUNT))
    assert found.shown == pytest.approx([0.8, 0.3])
    assert len(found.first) == len(found.final) == 1


def test_quantiles_are_values_that_occurred() -> None:
    assert quantiles([]) is None
    assert quantiles([float(value) for value in range(100, 0, -1)]) == {
        "n": 100,
        "p50": 51.0,
        "p90": 91.0,
        "p99": 100.0,
        "mean": 50.5,
    }


def test_the_screen_shows_settled_text_and_what_may_still_change_behind_it() -> None:
    screen = Screen()
    screen.partial(1.0, "hello")
    screen.partial(2.0, "hello")
    screen.final(3.0, "Hello.")
    screen.partial(4.0, "and")
    screen.final(5.0, "")
    assert screen.pictures == [
        Picture(1.0, "hello"),
        Picture(3.0, "Hello."),
        Picture(4.0, "Hello. and"),
        Picture(5.0, "Hello."),
    ]
