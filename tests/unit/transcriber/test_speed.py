"""Speed of the idle model: one busy moment changes nothing, and a slower machine is measured more often."""

import pytest

from stt_transcriber.core.schedule.speed import LEAST_S, MOST_S, Speed

pytestmark = pytest.mark.unit


def test_a_faster_measurement_counts_at_once() -> None:
    speed = Speed(500)
    speed.measured(50)
    assert speed.encode_ms == 50


def test_a_machine_is_slower_when_three_measurements_in_a_row_are() -> None:
    speed = Speed(50)
    speed.measured(200)
    speed.measured(200)
    assert speed.encode_ms == 50
    speed.measured(190)
    assert speed.encode_ms == 190


def test_a_machine_that_has_become_slower_is_measured_more_often() -> None:
    speed = Speed(60)
    for _ in range(3):
        speed.measured(60)
    assert speed.next_s(with_files=False) == pytest.approx(6)
    for _ in range(3):
        speed.measured(150)
    assert speed.next_s(with_files=False) == pytest.approx(3)


def test_a_new_replica_is_measured_often_until_its_speed_is_known() -> None:
    speed = Speed(100)
    assert speed.next_s(with_files=False) == pytest.approx(2)
    for _ in range(3):
        speed.measured(100)
    assert speed.next_s(with_files=False) == pytest.approx(10)


def test_measuring_is_neither_constant_nor_rare() -> None:
    assert Speed(0.01).next_s(with_files=False) == LEAST_S
    assert Speed(60_000).next_s(with_files=False) == MOST_S


def test_a_machine_that_stays_slower_is_in_the_end_measured_as_seldom_as_before() -> None:
    speed = Speed(60)
    for _ in range(60):
        speed.measured(120)
    assert speed.next_s(with_files=False) == pytest.approx(12)


def test_files_are_hardly_held_up_by_measurements() -> None:
    speed = Speed(60)
    assert speed.next_s(with_files=True) == pytest.approx(30)
    speed.measured(20)
    assert speed.next_s(with_files=True) == pytest.approx(10)
