"""Preemption of files by live work: a long decode pauses between two steps for as long as the cores are needed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from stt_shared.process.clock import monotonic_ms


class Preemption:
    """Arbiter of the model's ``workers``: live decodes run at once, files while a worker is left for them.

    Its methods are called in the model's threads.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._live = 0
        self._files = 0  # running, not paused
        self._closed = False
        self._noted_ms = monotonic_ms()
        self._crowded_for_ms = 0.0
        self._changed = threading.Condition()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Mark a live decode as running."""
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
        """Mark the decode of a file's chunks as running; it must call ``give_way`` between its steps."""
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
        """Monotonic clock that stops while more decodes run than there are workers: files hardly progress then, since
        their threads have a lower priority."""
        with self._changed:
            self._note()
            return self._noted_ms - self._crowded_for_ms

    def give_way(self) -> None:
        """Block while live work needs the caller's worker."""
        with self._changed:
            if self._live + self._files <= self._workers:
                return
            self._note()
            self._files -= 1
            # Only one file decode resumes per free worker.
            self._changed.wait_for(lambda: self._closed or self._live + self._files < self._workers)
            self._files += 1

    def _note(self) -> None:
        """Update the clock; called before any change of the counts."""
        now = monotonic_ms()
        if self._live + self._files > self._workers:
            self._crowded_for_ms += now - self._noted_ms
        self._noted_ms = now

    def close(self) -> None:
        """Release all waiting threads: one that still waited would prevent the process from ending."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
