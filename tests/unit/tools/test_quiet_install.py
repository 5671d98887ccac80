"""Installation with a line of progress."""

import runpy
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[3]
TOOL = runpy.run_path(str(ROOT / "tools" / "quiet_install.py"))

PRINTS = """
Collecting av==17.1.0 (from -r run.lock (line 3))
  Downloading av.whl (30 MB)
Requirement already satisfied: numpy==2.0 in /somewhere
Installing collected packages: av
Successfully installed av
"""


def test_what_pip_prints_becomes_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    shown: list[str] = []
    TOOL["install"]([sys.executable, "-c", f"print({PRINTS!r})"], 5, shown.append)
    assert shown == ["1 of 5 packages: av", "2 of 5 packages: numpy", "unpacking", ""]
    assert capfd.readouterr() == ("", "")


def test_what_pip_printed_is_shown_when_it_fails() -> None:
    program = "print('Collecting av'); import sys; sys.exit('no matching distribution')"
    with pytest.raises(SystemExit) as ended:
        TOOL["install"]([sys.executable, "-c", program], 5, lambda _: None)
    for text in ("Collecting av", "no matching distribution", "error: the packages could not be installed"):
        assert text in str(ended.value)


def test_the_packages_of_a_lock_are_counted() -> None:
    lock = (ROOT / "requirements" / "run.lock").read_text()
    count = sum(line[:1].isalnum() for line in lock.splitlines())
    assert len(TOOL["_LOCKED"].findall(lock)) == count > 50
