"""Files give way to live work."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from stt_transcriber.decode.preemption import Preemption

pytestmark = pytest.mark.unit


def test_a_file_goes_on_while_there_is_a_worker_for_it() -> None:
    way = Preemption(2)
    with way.file(), way.live():
        way.give_way()


def test_a_file_waits_while_live_work_needs_its_worker() -> None:
    way = Preemption(1)
    stepped, started = threading.Event(), threading.Event()

    def file() -> None:
        with way.file():
            started.set()
            live_began.wait(10)
            way.give_way()
            stepped.set()

    live_began = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(file)
        started.wait(10)
        with way.live():
            live_began.set()
            assert not stepped.wait(0.1)
        assert stepped.wait(10)
        done.result(10)


def test_of_two_files_one_goes_on_beside_one_live_decode() -> None:
    way = Preemption(2)
    steps = threading.Semaphore(0)
    over = threading.Event()

    def file() -> None:
        with way.file():
            while not over.is_set():
                way.give_way()
                steps.release()
                over.wait(0.001)

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(file) for _ in range(2)]
        with way.live():
            for _ in range(50):
                assert steps.acquire(timeout=10), "one of them goes on"
            assert way._files <= 2
        over.set()
        for each in done:
            each.result(10)
    assert way._files == way._live == 0


def test_closing_lets_those_go_who_wait() -> None:
    way = Preemption(1)
    with ThreadPoolExecutor(1) as threads:

        def file() -> None:
            with way.file():
                way.give_way()

        with way.live():
            waits = threads.submit(file)
            way.close()
            waits.result(10)
