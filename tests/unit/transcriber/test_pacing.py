"""The interval of drafts and the cost of decodes, by the load."""

import pytest

from stt_transcriber.core.schedule.pacing import LoadModel
from stt_transcriber.core.schedule.scheduler import Kind

pytestmark = pytest.mark.unit


class TestLoad:
    def load(self) -> LoadModel:
        return LoadModel(2, 500, 3000, 60)

    def test_an_idle_machine_drafts_at_the_shortest_interval(self) -> None:
        assert self.load().pace(3, 0).interval_ms == 500

    def test_what_has_just_begun_is_drafted_twice_as_often_while_there_is_time(self) -> None:
        assert self.load().pace(3, 0).young_interval_ms == 250
        busy = self.load().pace(40, 0)
        assert busy.young_interval_ms == busy.interval_ms

    def test_the_interval_stretches_with_those_who_speak(self) -> None:
        pace = self.load().pace(40, 0)
        assert pace.drafts
        assert pace.interval_ms == pytest.approx(40 * 60 / 2)

    def test_finals_come_first(self) -> None:
        load = self.load()
        without = load.pace(30, 1000).interval_ms
        for i in range(10):
            load.decoded(Kind.FINAL, 400, [5.0], 0, i * 100)
        assert load.pace(30, 1000).interval_ms > 1.3 * without

    def test_what_finals_took_is_forgotten(self) -> None:
        load = self.load()
        before = load.pace(30, 0).interval_ms
        load.decoded(Kind.FINAL, 2000, [5.0], 0, 0)
        assert load.pace(30, 60_000).interval_ms == pytest.approx(before, rel=0.01)

    def test_beyond_the_longest_interval_drafts_stop(self) -> None:
        assert not self.load().pace(int(3000 * 2 / 60) + 1, 0).drafts

    def test_drafts_begin_again_only_with_some_time_to_spare(self) -> None:
        load = self.load()
        just_enough = int(3000 * 2 / 60)
        assert load.pace(just_enough, 0).drafts
        assert not load.pace(just_enough + 1, 0).drafts
        assert not load.pace(just_enough, 0).drafts, "no flapping"
        assert load.pace(int(0.79 * just_enough), 0).drafts

    def test_the_cost_of_a_draft_is_learned_per_window(self) -> None:
        load = self.load()
        for i in range(100):
            load.decoded(Kind.PARTIAL, 80, [3.0] * 4, 0, i * 300)
        assert load.draft_ms == pytest.approx(20, rel=0.01)


def test_work_that_may_be_in_vain_is_done_only_while_there_is_time_to_spare() -> None:
    load = LoadModel(2, 500, 3000, 60)
    assert load.pace(5, 0).spare
    assert not load.pace(20, 0).spare


def test_the_cost_of_finals_is_that_of_a_second_of_speech() -> None:
    load = LoadModel(2, 500, 3000, 100)
    assert load.finals_ms(0) == pytest.approx(36), "assumed until it is known"
    for i in range(100):
        load.decoded(Kind.FINAL, 500, [10.0], 0, i * 1000)
    assert load.finals_ms(100_000) == pytest.approx(50, rel=0.02)


def test_what_slows_drafts_down_slows_finals_down_at_once() -> None:
    load = LoadModel(2, 500, 3000, 100)
    before = load.finals_ms(0)
    for i in range(20):
        load.decoded(Kind.PARTIAL, 300, [3.0], 0, i * 500)
    assert load.finals_ms(10_000) == pytest.approx(3 * before, rel=0.05)


def test_files_are_no_load() -> None:
    load = LoadModel(2, 500, 3000, 100)
    load.decoded(Kind.FILE_CHUNK, 20_000, [28.0] * 4, 0, 0)
    assert load.busy_share(0) == load.busy_with_finals(0) == 0
    assert load.draft_ms == 100


def test_the_idle_model_is_measured_only_when_no_draft_shows_its_speed() -> None:
    load = LoadModel(2, 500, 3000, 5000)
    assert load.needs_measurement(0)
    load.measured(60, 1000)
    assert load.draft_ms == 60
    load.decoded(Kind.PARTIAL, 160, [3.0], 0, 2000)
    load.measured(60, 6000)
    assert load.draft_ms == pytest.approx(88, abs=3), "real drafts know better"
    load.measured(60, 8000)
    assert load.draft_ms == 60
