"""Places follow the speed of the machine, but not every breath of it."""

import pytest

from stt_transcriber.core.schedule.pacing import LoadModel, places
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.core.schedule.speed import Speed

pytestmark = pytest.mark.unit


def test_a_busy_moment_at_the_start_is_forgotten_at_once() -> None:
    speed = Speed(2, 500, 0)
    assert speed.places == places(2, 500) == 2
    speed.measured(50, 15_000)
    assert speed.places == places(2, 50) == 24


def test_a_busy_moment_later_takes_no_place_away() -> None:
    speed = Speed(2, 50, 0)
    for now_s in range(15, 60, 15):
        speed.measured(500, now_s * 1000)
    assert speed.places == 24, "it was quick within the last minute"
    speed.measured(50, 65_000)
    speed.measured(500, 80_000)
    assert speed.places == 24


def test_a_machine_that_stays_slow_for_a_minute_has_fewer_places() -> None:
    speed = Speed(2, 50, 0)
    counts = []
    for now_s in range(15, 120, 15):
        speed.measured(100, now_s * 1000)
        counts.append(speed.places)
    assert counts == [24] * 3 + [12] * 4


def test_one_slow_measurement_after_a_long_silence_takes_no_place_away() -> None:
    speed = Speed(2, 50, 0)
    speed.measured(500, 3_600_000)
    assert speed.places == 24
    speed.measured(400, 3_615_000)
    assert speed.places == 24
    speed.measured(450, 3_630_000)
    assert speed.places == places(2, 400)


def test_places_do_not_flap() -> None:
    speed = Speed(2, 50, 0)
    counts = set()
    for number in range(1, 200):
        speed.measured(50 + 5 * (number % 3), number * 30_000)
        counts.add(speed.places)
    assert counts == {24}


def test_there_is_always_a_place() -> None:
    speed = Speed(1, 60_000, 0)
    for now_s in range(15, 300, 15):
        speed.measured(90_000, now_s * 1000)
        assert speed.places == 1


def test_the_cost_of_a_draft_is_measured_again_when_none_was_decoded_lately() -> None:
    load = LoadModel(2, 500, 3000, 5000)
    assert not load.has_room(0, 0), "measured in a busy moment"
    load.measured(60, 15_000)
    assert load.draft_ms == 60
    assert load.has_room(0, 15_000)
    load.decoded(Kind.PARTIAL, 160, 1, 20_000)
    load.measured(60, 30_000)
    assert load.draft_ms == pytest.approx(70), "real drafts know better"
    load.measured(60, 81_000)
    assert load.draft_ms == 60
