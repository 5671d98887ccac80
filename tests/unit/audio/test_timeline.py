"""Where the time stamps of a container place its audio: gaps become silence, errors of the stamps change nothing."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from stt_audio.codecs.timeline import Timeline

pytestmark = pytest.mark.unit

FRAME_S = 0.02
HOUR_S = 3600.0


def placed(stamps: Sequence[float | None], timeline: Timeline | None = None) -> list[tuple[int, float]]:
    """The frames before which silence belongs, and its seconds."""
    timeline = timeline or Timeline(0.0, 4 * HOUR_S)
    silences = []
    for number, (stamp_s, next_stamp_s) in enumerate(zip(stamps, [*stamps[1:], None], strict=True)):
        if silence_s := timeline.place(stamp_s, FRAME_S, next_stamp_s):
            silences.append((number, round(silence_s, 3)))
    return silences


def run(start_s: float, n_frames: int) -> list[float]:
    return [start_s + number * FRAME_S for number in range(n_frames)]


def test_a_late_start_and_gaps_become_silence() -> None:
    assert placed([*run(4.0, 50), *run(5.5, 50), *run(20.0, 50)]) == [(0, 4.0), (50, 0.5), (100, 13.5)]


def test_stamps_that_count_the_audio_tell_where_it_begins() -> None:
    timeline = Timeline(0.0, 4 * HOUR_S, only_start=True)
    assert placed([*run(4.0, 50), *run(5.5, 50), *run(2.0, 50)], timeline) == [(0, 4.0)]


def test_the_files_own_start_is_its_zero() -> None:
    timeline = Timeline(5 * HOUR_S, 4 * HOUR_S)
    assert placed(run(5 * HOUR_S + 4, 50), timeline) == [(0, 4.0)]
    assert timeline.position_s == pytest.approx(5.0)


def test_rounded_and_jittering_stamps_change_nothing() -> None:
    random = np.random.default_rng(1)
    rounded = [round(stamp_s, 3) for stamp_s in np.arange(100_000) * 0.0213333]
    timeline = Timeline(0.0, 4 * HOUR_S)
    assert all(not timeline.place(a, 0.0213333, b) for a, b in itertools.pairwise(rounded))
    assert placed([stamp_s + random.uniform(-0.045, 0.045) for stamp_s in run(0.0, 10_000)]) == []


def test_small_gaps_add_up() -> None:
    stamps = [stamp_s for piece in range(20) for stamp_s in run(piece * 1.06, 50)]
    assert sum(silence_s for _, silence_s in placed(stamps)) == pytest.approx(19 * 0.06, abs=0.1)


def test_a_single_absurd_stamp_counts_for_nothing() -> None:
    for absurd_s in (-HOUR_S, 0.0, 3.0, HOUR_S, 1e12):
        stamps: list[float | None] = list(run(0.0, 100))
        stamps[50] = absurd_s
        timeline = Timeline(0.0, 4 * HOUR_S)
        assert (placed(stamps, timeline), timeline.ignored_gap_s) == ([], 0.0)


def test_stamps_that_begin_again_continue_where_the_audio_is() -> None:
    assert placed([*run(0.0, 100), *run(0.0, 100), *run(3.0, 10)]) == [(200, 1.0)]


def test_an_overlap_is_played_and_taken_out_of_the_next_gap() -> None:
    assert placed([*run(0.0, 100), *run(1.7, 50), *run(4.0, 50)]) == [(150, 1.0)]


def test_missing_stamps_continue_the_audio() -> None:
    assert placed([0.0, *[None] * 100, *run(101 * FRAME_S, 10), *run(5.0, 10)]) == [(111, 2.78)]


def test_a_jump_past_all_that_is_allowed_is_ignored_and_known() -> None:
    timeline = Timeline(0.0, HOUR_S)
    assert placed([*run(0.0, 100), *run(24 * HOUR_S, 100), *run(24 * HOUR_S + 5, 10)], timeline) == [(200, 3.0)]
    assert (timeline.ignored_gap_s, timeline.ignored_at_s) == (pytest.approx(24 * HOUR_S - 2), pytest.approx(2.0))
    broadcast = Timeline(0.0, HOUR_S, max_gap_s=300.0)
    assert placed([*run(0.0, 100), *run(400.0, 100)], broadcast) == []
