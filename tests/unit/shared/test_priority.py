"""Work that nobody waits for steps back: the threads that do it, and no others."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stt_shared.process import priority
from stt_shared.process.priority import NICENESS, lower_thread_priority
from stt_transcriber.files.cutter import FileCutter

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads have no priorities of their own"),
]


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


OURS = niceness() if sys.platform.startswith("linux") else 0
LESS = min(19, OURS + NICENESS)


def test_a_thread_that_steps_back_takes_along_those_that_it_starts_and_no_others() -> None:
    def in_another() -> int:
        with ThreadPoolExecutor(1) as threads:
            return threads.submit(niceness).result()

    with ThreadPoolExecutor(1, initializer=lower_thread_priority) as threads:
        assert threads.submit(niceness).result() == LESS
        assert threads.submit(in_another).result() == LESS
    assert niceness() == OURS
    assert in_another() == OURS


def test_where_only_processes_have_priorities_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(priority.sys, "platform", "darwin")
    with ThreadPoolExecutor(1, initializer=lower_thread_priority) as threads:
        assert threads.submit(niceness).result() == OURS


def test_a_file_is_cut_in_such_a_thread() -> None:
    nothing: Any = None
    cutter = FileCutter(nothing, nothing, nothing, nothing)
    assert cutter._threads.submit(niceness).result() == LESS
