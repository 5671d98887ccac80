"""Files that documents name exist, and a journey through the tree visits each stop once."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("journey", ["a chunk of live audio", "an uploaded file"])
def test_a_journey_has_at_most_a_dozen_stops_and_visits_none_twice(journey: str) -> None:
    section = ARCHITECTURE.split(f"## The journey of {journey}\n")[1].split("\n## ")[0]
    stops = re.findall(r"^\| `(stt_[\w/.]+)` \|", section, re.MULTILINE)
    assert 8 <= len(stops) <= 12
    assert len(set(stops)) == len(stops)
    assert [stop for stop in stops if not list(ROOT.glob(f"*/{stop}"))] == []


def test_changes_name_files_that_exist_and_at_most_three() -> None:
    section = CONTRIBUTING.split("## Where a change goes\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (?!change|---)(.*?) \| (.*) \|$", section, re.MULTILINE)
    assert len(rows) == 17
    for change, files in rows:
        named = re.findall(r"`([\w-]+/[\w/.<>-]+)`", files)
        existing = [path for path in named if "<" not in path]
        assert [path for path in existing if not (ROOT / path).exists()] == [], change
        assert len(named) <= 3, change
