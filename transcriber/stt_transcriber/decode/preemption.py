"""Files give way to live work: a long decode stops between two of its steps for as long as the cores are needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stt_shared.process.clock import monotonic_ms


class Preemption:
    """Who may use the model's ``workers``: live decodes at once, files while there is a worker left for them.

    For the model's threads.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._live = 0
        self._files = 0  # that go on
        self._closed = False
        self._noted_ms = monotonic_ms()
        self._crowded_for_ms = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Around a live decode."""
        with self._changed:
            self._note()
            self._live += 1
        try:
            yield
        finally:
            with self._changed:
                self._note()
                self._live -= 1
                self._changed.notify_all()

    @contextmanager
    def file(self) -> Iterator[None]:
        """Around the decode of a file's pieces, which calls ``give_way`` between its steps."""
        with self._changed:
            self._note()
            self._files += 1
        try:
            yield
        finally:
            with self._changed:
                self._note()
                self._files -= 1
                self._changed.notify_all()

    @property
    def file_clock_ms(self) -> float:
        """A monotonic clock that stands still while more go on than there are workers: of those, files hardly get on,
        since their threads have stepped back."""
        with self._changed:
            self._note()
            return self._noted_ms - self._crowded_for_ms

    def give_way(self) -> None:
        """Blocks while live work needs the caller's worker."""
        with self._changed:
            if self._live + self._files <= self._workers:
                return
            self._note()
            self._files -= 1
            # One at a time goes on when there is room for one.
            self._changed.wait_for(lambda: self._closed or self._live + self._files < self._workers)
            self._files += 1

    def _note(self) -> None:
        """Before any change."""
        now = monotonic_ms()
        if self._live + self._files > self._workers:
            self._crowded_for_ms += now - self._noted_ms
        self._noted_ms = now

    def close(self) -> None:
        """Nobody waits any more: a thread that did would keep the process from ending."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
