"""Warnings about the parts of a file that cannot be decoded."""

import pytest

from stt_audio.codecs.losses import MAX_WARNINGS, Losses

pytestmark = pytest.mark.unit


def test_a_packet_here_and_there_is_not_worth_a_warning() -> None:
    losses = Losses()
    for at_s in (1.0, 20.0, 40.0):
        losses.add(at_s, at_s, 0.02)
    assert losses.warnings(60.0) == []


def test_data_that_decodes_now_and_then_is_one_damaged_part() -> None:
    losses = Losses()
    for number in range(20):
        losses.add(10 + number, 10.5 + number, 0.5)
    losses.add(50.0, 52.0, 2.0)
    first, second = losses.warnings(60.0)
    assert (first.code, first.start, first.end) == ("damaged", 10.0, 29.5)
    assert first.message == "the file is damaged at 10.0–29.5 s: 10.0 s of it cannot be decoded"
    assert (second.start, second.end) == (50.0, 52.0)


def test_a_hole_of_unknown_length_is_reported() -> None:
    losses = Losses()
    losses.add_hole(5.0)
    losses.add(20.0, 20.0, 0.02)
    losses.add_hole(20.1)
    losses.add(21.0, 21.0, 0.5)
    assert [(each.code, each.start, each.end, each.message) for each in losses.warnings(60.0)] == [
        ("damaged", 5.0, 5.0, "the file is damaged at 5.0 s: an unknown part of it cannot be decoded"),
        ("damaged", 20.0, 21.0, "the file is damaged at 20.0–21.0 s: an unknown part of it cannot be decoded"),
    ]


def test_damage_to_the_end_and_a_file_that_is_cut_off() -> None:
    losses = Losses()
    losses.add(123.4, 200.0, 70.0)
    (damaged,) = losses.warnings(200.0)
    assert (damaged.code, damaged.message) == ("damaged", "the file is damaged after 123.4 s")
    losses = Losses()
    losses.add(123.4, 200.0, 76.6, is_end=True)
    (cut_off,) = losses.warnings(200.0)
    assert (cut_off.code, cut_off.start, cut_off.end) == ("cut_off", 123.4, 200.0)
    assert cut_off.message == "the file ends after 123.4 s; it should be 200.0 s long"


def test_the_number_of_warnings_is_limited_and_the_last_covers_the_rest() -> None:
    losses = Losses()
    for number in range(100):
        losses.add(10.0 * number, 10.0 * number + 1, 1.0)
    warnings = losses.warnings(1000.0)
    assert len(warnings) == MAX_WARNINGS
    assert (warnings[-1].start, warnings[-1].end) == (10.0 * (MAX_WARNINGS - 1), 991.0)
