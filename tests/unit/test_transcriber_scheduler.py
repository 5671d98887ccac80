"""Whose turn it is, what is decoded together, and how load is paced."""

import pytest

from stt_transcriber.core.schedule.pacing import LoadModel, places
from stt_transcriber.core.schedule.scheduler import Kind, PendingDecode, Scheduler

pytestmark = pytest.mark.unit


def keys(batches: list[list[PendingDecode]]) -> list[list[str]]:
    return [[wish.key for wish in batch] for batch in batches]


class TestScheduler:
    def test_earliest_deadline_first_and_live_before_files(self) -> None:
        scheduler = Scheduler(workers=1)
        scheduler.submit(PendingDecode("file", Kind.FILE_CHUNK, 1, 0))
        scheduler.submit(PendingDecode("late", Kind.PARTIAL, 900, 0))
        scheduler.submit(PendingDecode("soon", Kind.FINAL, 300, 0))
        order = []
        while ready := scheduler.decide():
            scheduler.started(ready[0])
            order.append(ready[0][0].key)
            scheduler.ended(ready[0])
        assert order == ["soon", "late", "file"]

    def test_one_decode_per_session_and_no_more_than_workers(self) -> None:
        scheduler = Scheduler(workers=2)
        scheduler.submit(PendingDecode("a", Kind.PARTIAL, 1, 0))
        scheduler.started(scheduler.decide()[0])
        scheduler.submit(PendingDecode("a", Kind.PARTIAL, 2, 0))
        scheduler.submit(PendingDecode("b", Kind.PARTIAL, 3, 0))
        scheduler.submit(PendingDecode("c", Kind.PARTIAL, 4, 0))
        assert keys(scheduler.decide()) == [["b"]]

    def test_a_repeated_wish_keeps_its_age_and_its_nearer_deadline(self) -> None:
        scheduler = Scheduler(workers=1)
        scheduler.submit(PendingDecode("a", Kind.PARTIAL, 100, 1))
        scheduler.submit(PendingDecode("a", Kind.PARTIAL, 900, 800))
        assert scheduler.decide() == [[PendingDecode("a", Kind.PARTIAL, 100, 1)]]

    def test_files_leave_a_worker_free_while_there_are_sessions(self) -> None:
        scheduler = Scheduler(workers=2)
        assert scheduler.batch_room() == 2
        scheduler.sessions(1)
        assert scheduler.batch_room() == 1
        scheduler.submit(PendingDecode("file", Kind.FILE_CHUNK, 1, 0))
        assert scheduler.batch_room() == 0

    def test_on_one_worker_files_get_on_while_sessions_only_listen(self) -> None:
        scheduler = Scheduler(workers=1, files_give_way=True)
        scheduler.sessions(3)
        assert scheduler.batch_room() == 1
        scheduler.submit(PendingDecode("file", Kind.FILE_CHUNK, 1, 0))
        (batch,) = scheduler.decide()
        scheduler.started(batch)
        scheduler.submit(PendingDecode("somebody speaks", Kind.FIRST, 2, 0))
        assert keys(scheduler.decide()) == [["somebody speaks"]]

    def test_drafts_are_put_together_when_more_wait_than_workers_are_free(self) -> None:
        scheduler = Scheduler(workers=2, max_batch=3)
        for i in range(5):
            scheduler.submit(PendingDecode(f"d{i}", Kind.PARTIAL, 10 + i, 0))
        assert keys(scheduler.decide()) == [["d0", "d1", "d2"], ["d3", "d4"]]

    def test_as_many_drafts_as_workers_run_beside_each_other(self) -> None:
        scheduler = Scheduler(workers=2, max_batch=3)
        scheduler.submit(PendingDecode("a", Kind.FIRST, 1, 0))
        scheduler.submit(PendingDecode("b", Kind.PARTIAL, 2, 0))
        assert keys(scheduler.decide()) == [["a"], ["b"]]

    def test_finals_and_chunks_are_decoded_alone(self) -> None:
        scheduler = Scheduler(workers=1, max_batch=8)
        scheduler.submit(PendingDecode("final", Kind.FINAL, 1, 0))
        scheduler.submit(PendingDecode("other final", Kind.FINAL, 2, 0))
        scheduler.submit(PendingDecode("draft", Kind.PARTIAL, 3, 0))
        scheduler.submit(PendingDecode("chunk", Kind.FILE_CHUNK, 0, 0))
        assert keys(scheduler.decide()) == [["final"]]

    def test_a_batch_takes_one_worker(self) -> None:
        scheduler = Scheduler(workers=2, max_batch=4)
        for key in "abcd":
            scheduler.submit(PendingDecode(key, Kind.PARTIAL, 1, 0))
        first, _ = scheduler.decide()
        scheduler.started(first)
        scheduler.submit(PendingDecode("e", Kind.FINAL, 1, 0))
        assert len(scheduler.decide()) == 1
        assert scheduler.running == 2
        scheduler.ended(first)
        assert scheduler.running == 0

    def test_chunks_of_any_files_are_put_together(self) -> None:
        scheduler = Scheduler(workers=1, max_file_batch=3)
        for i in range(5):
            scheduler.submit(PendingDecode(f"c{i}", Kind.FILE_CHUNK, i, 0))
        scheduler.submit(PendingDecode("draft", Kind.PARTIAL, 99, 0))
        assert keys(scheduler.decide()) == [["draft"]]
        scheduler.cancel("draft")
        assert keys(scheduler.decide()) == [["c0", "c1", "c2"]]

    def test_chunks_are_shared_by_the_workers_that_are_free(self) -> None:
        scheduler = Scheduler(workers=2, max_file_batch=4)
        for i in range(4):
            scheduler.submit(PendingDecode(f"c{i}", Kind.FILE_CHUNK, i, 0))
        assert keys(scheduler.decide()) == [["c0", "c1"], ["c2", "c3"]]

    def test_there_is_room_for_a_batch_a_worker(self) -> None:
        scheduler = Scheduler(workers=2, max_file_batch=4)
        assert scheduler.batch_room() == scheduler.chunks_at_once == 8
        scheduler.sessions(1)
        assert scheduler.batch_room() == 4

    def test_live_work_begins_where_files_that_give_way_have_all_workers(self) -> None:
        for give_way, begun in ((True, [["final"], ["draft"]]), (False, [])):
            scheduler = Scheduler(workers=2, max_file_batch=2, files_give_way=give_way)
            for i in range(4):
                scheduler.submit(PendingDecode(f"c{i}", Kind.FILE_CHUNK, i, 0))
            for batch in scheduler.decide():
                scheduler.started(batch)
            scheduler.submit(PendingDecode("another", Kind.FILE_CHUNK, 0, 0))
            scheduler.submit(PendingDecode("final", Kind.FINAL, 1, 0))
            scheduler.submit(PendingDecode("draft", Kind.PARTIAL, 2, 0))
            scheduler.submit(PendingDecode("third", Kind.FINAL, 3, 0))
            assert keys(scheduler.decide()) == begun


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
