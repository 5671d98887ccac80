"""docs/security.md names tests that exist."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_each_proof_exists() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(names) > 5
    assert {name for name in names if f"def {name}(" not in sources} == set()
    for path in re.findall(r"\btests/[\w/]+\.py", TEXT):
        assert (ROOT / path).is_file(), path


def test_each_danger_has_a_proof() -> None:
    rows = [
        line
        for line in TEXT.splitlines()
        if line.startswith("| ") and not line.startswith(("| danger", "| what", "| ---"))
    ]
    assert len(rows) > 25
    for row in rows:
        assert re.search(r"tests/[\w/]+\.py|`test_\w+`", row.split("|")[3]), row
