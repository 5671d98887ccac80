"""Whose turn it is, and what is decoded together."""

import pytest

from stt_transcriber.core.schedule.scheduler import Kind, PendingDecode, Scheduler

pytestmark = pytest.mark.unit


def keys(batches: list[list[PendingDecode]]) -> list[list[str]]:
    return [[pending.key for pending in batch] for batch in batches]


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

    def test_a_repeated_request_keeps_its_age_and_its_nearer_deadline(self) -> None:
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
