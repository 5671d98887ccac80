"""Commit subjects that are accepted, and those that are not."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

TOOL = Path(__file__).parents[3] / "tools" / "check_subject.py"


@pytest.mark.parametrize(
    ("message", "accepted"),
    [
        ("Add a setting for the spool\n\nThe body.\n", True),
        ("Add " + "x" * 69, False),
        ("Added a setting", False),
        ("add a setting", False),
        ("Add a setting.", False),
        ("Add a setting\nwithout an empty line", False),
        ("", False),
    ],
)
def test_a_subject_is_short_and_imperative(message: str, accepted: bool, tmp_path: Path) -> None:
    file = tmp_path / "COMMIT_EDITMSG"
    file.write_text(message)
    result = subprocess.run([sys.executable, TOOL, file], capture_output=True, text=True, check=False)
    assert (result.returncode == 0) is accepted
    assert result.stderr.startswith("error: ") is not accepted
