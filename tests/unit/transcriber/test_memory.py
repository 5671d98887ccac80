"""Free memory goes back to the system."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

ALONE = """
import numpy as np, psutil
from stt_transcriber.decode.memory import trim
kept, passing = [], []
# Below the size from which the C library maps memory alone, and with something that stays after each.
for _ in range(1000):
    passing.append(np.ones(12_000, np.float64))
    kept.append(np.ones(100, np.float64))
process = psutil.Process()
passing.clear()
before = process.memory_info().rss
trim()
assert process.memory_info().rss < before - 30e6
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_what_was_freed_between_things_that_stay_goes_back() -> None:
    # In a process of its own: here other tests have left holes that the arrays would go into.
    subprocess.run([sys.executable, "-c", ALONE], check=True)
