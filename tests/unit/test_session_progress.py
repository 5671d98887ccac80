"""Progress through a session's events, checked with the sequences that also check the page (tests/browser/unit)."""

import json
from pathlib import Path
from typing import Any

import pytest

from stt_client.progress import SessionProgress

pytestmark = pytest.mark.unit

_SEQUENCES = json.loads((Path(__file__).parents[1] / "data" / "session_progress.json").read_text())


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
