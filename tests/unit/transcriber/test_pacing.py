"""The interval of drafts and the number of sessions, by the load."""

import pytest

from stt_transcriber.core.schedule.pacing import LoadModel, places
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
            load.decoded(Kind.FINAL, 400, 1, i * 100)
        assert load.pace(30, 1000).interval_ms > 1.3 * without

    def test_what_finals_took_is_forgotten(self) -> None:
        load = self.load()
        before = load.pace(30, 0).interval_ms
        load.decoded(Kind.FINAL, 2000, 1, 0)
        assert load.pace(30, 60_000).interval_ms == pytest.approx(before, rel=0.01)

    def test_beyond_the_longest_interval_drafts_stop_and_nobody_is_let_in(self) -> None:
        load = self.load()
        beyond = int(3000 * 2 / 60) + 1
        assert not load.pace(beyond, 0).drafts
        assert not load.has_room(beyond, 0)

    def test_drafts_begin_again_only_with_some_time_to_spare(self) -> None:
        load = self.load()
        just_enough = int(3000 * 2 / 60)
        assert load.pace(just_enough, 0).drafts
        assert not load.pace(just_enough + 1, 0).drafts
        assert not load.pace(just_enough, 0).drafts, "no flapping"
        assert load.pace(int(0.79 * just_enough), 0).drafts

    def test_room_is_kept_while_nobody_speaks(self) -> None:
        assert self.load().has_room(0, 0)

    def test_the_cost_of_a_draft_is_learned_per_window(self) -> None:
        load = self.load()
        for i in range(100):
            load.decoded(Kind.PARTIAL, 80, 4, i)
        assert load.draft_ms == pytest.approx(20, rel=0.01)


def test_a_quicker_machine_has_more_places() -> None:
    assert places(2, 50) == 24
    assert places(4, 50) == 49
    assert places(2, 12.5) > 3.9 * places(2, 50)


def test_there_is_always_a_place_and_never_more_than_a_process_can_hold() -> None:
    assert places(1, 60_000) == 1
    assert places(2, 0) == 10_000
    assert places(2, 0.001) == 10_000


def test_work_that_may_be_in_vain_is_done_only_while_there_is_time_to_spare() -> None:
    load = LoadModel(2, 500, 3000, 60)
    assert load.pace(5, 0).spare
    assert not load.pace(20, 0).spare
