"""Progress through a session's events, checked with the sequences that also check the page (tests/browser/unit)."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.client_events import ack, final, partial

from stt_client.progress import SessionProgress

pytestmark = pytest.mark.unit

_SEQUENCES = json.loads((Path(__file__).parents[2] / "data" / "session_progress.json").read_text())


def test_ready_and_ack_are_no_news_and_errors_do_not_count() -> None:
    progress = SessionProgress()
    assert progress.record({"type": "ready", "event": 7}) is None
    assert progress.last_event == 0, "events that are repeated after a `ready` have lower numbers"
    assert progress.record(ack(500, 3)) is None
    assert progress.record({"type": "error", "event": 9}) is None
    assert (progress.last_event, progress.committed_ms) == (3, 500)


def test_repeated_events_are_dropped() -> None:
    progress = SessionProgress()
    events = [{"type": "speech_started", "event": 2}, partial(1, 3), final(1, 4), {"type": "warning", "event": 5}]
    assert [progress.record(event) for event in events] == events
    assert [progress.record(event) for event in events] == [None] * 4


def test_a_final_comes_once_whatever_its_event_number_and_partials_of_it_do_not_come_after_it() -> None:
    progress = SessionProgress()
    assert progress.record(final(1, 4)) is not None
    assert progress.record(final(1, 9)) is None
    assert progress.record(partial(1, 10)) is None
    assert progress.record(partial(2, 11)) is not None


def test_a_server_that_lost_its_count_still_delivers_finals_and_done_with_rising_numbers() -> None:
    progress = SessionProgress()
    progress.record(final(1, 40, "one"))
    later = [progress.record(event) for event in (partial(2, 7), final(2, 8, "two"), {"type": "done", "event": 9})]
    assert later[0] is None
    assert later[1] == final(2, 41, "two")
    assert later[2] == {"type": "done", "event": 42, "text": "one two", "finals": 2}


def test_done_tells_all_finals_of_the_session_though_the_server_knows_only_the_last() -> None:
    progress = SessionProgress()
    for event in (final(1, 2, "one"), final(2, 3, ""), final(3, 4, "three")):
        progress.record(event)
    done = progress.record({"type": "done", "event": 5, "text": "three", "finals": 1, "duration_ms": 9})
    assert done == {"type": "done", "event": 5, "text": "one three", "finals": 3, "duration_ms": 9}


def test_finals_that_are_newer_than_what_is_settled_are_not_claimed() -> None:
    """A server that begins at ``committed_ms`` makes the finals after it again, and must number them the same."""
    progress = SessionProgress()
    progress.record(final(1, 2))
    progress.record(ack(1000, 3))
    progress.record(final(2, 4))
    assert (progress.finals, progress.committed_finals, progress.committed_ms) == (2, 1, 1000)
    progress.record(final(3, 5, committed_ms=3000))
    assert (progress.committed_finals, progress.committed_ms) == (3, 3000), "a final that says what it settles"
    progress.record(ack(2000, 6))
    assert progress.committed_ms == 3000


def test_an_ack_that_was_overtaken_by_a_final_does_not_settle_it() -> None:
    progress = SessionProgress()
    for event in (final(1, 2), final(2, 3), ack(1000, 4)):
        progress.record(event)
    assert (progress.committed_finals, progress.committed_ms) == (1, 1000)
    progress.record(ack(2000, 5))
    assert progress.committed_finals == 2


@pytest.mark.parametrize("sequence", _SEQUENCES, ids=lambda sequence: sequence["name"])
def test_each_event_is_delivered_once_and_moves_the_positions(sequence: dict[str, Any]) -> None:
    progress = SessionProgress()
    for step in sequence["steps"]:
        news = progress.record(step["event"])
        state = {
            "delivered": news and news["event"],
            "last_event": progress.last_event,
            "finals": progress.finals,
            "committed_ms": progress.committed_ms,
            "committed_finals": progress.committed_finals,
        }
        assert {"event": step["event"], **state} == step
