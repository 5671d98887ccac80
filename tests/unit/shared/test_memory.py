"""Memory that a process has in use."""

import sys

import pytest

from stt_shared.process.memory import resident_bytes

pytestmark = pytest.mark.unit


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_process_knows_what_it_has_in_use() -> None:
    before = resident_bytes()
    block = b"x" * (32 << 20)
    assert resident_bytes() - before > 16 << 20, len(block)
