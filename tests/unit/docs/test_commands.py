"""Commands that documents name are there. (tests/e2e runs what the README files show.)"""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    ROOT / "client" / "README.md",
    ROOT / "benchmarks" / "README.md",
]
TEXT = "\n".join(path.read_text() for path in DOCUMENTS)


def test_every_benchmark_that_is_named_exists() -> None:
    named = set(re.findall(r"python (benchmarks/\w+\.py)", TEXT))
    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z0-9-]+)[ `]", TEXT)) <= targets


def test_nothing_is_installed_from_where_the_suite_is_not_published() -> None:
    sources = "".join(path.read_text() for path in ROOT.glob("*/stt_*/**/*.py"))
    assert re.findall(r"pip install [^\n]*realtime-stt-suite", TEXT + sources) == []


def test_extras_that_are_named_exist() -> None:
    declared = re.findall(r"^([a-z-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    named = re.findall(r"pip install (?:-e )?'\.\[([a-z,-]+)\]'", TEXT)
    assert named
    assert {extra for group in named for extra in group.split(",")} <= set(declared)
