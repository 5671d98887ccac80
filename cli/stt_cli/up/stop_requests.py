"""Signals that stop the suite."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from threading import Event
from types import FrameType

_SAME_KEYPRESS_S = 1.0


class StopRequests:
    """Signal handler for stop requests: the first stops gracefully, a later one immediately."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._first_s: float | None = None
        self._urgent = False
        self._event = Event()

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._first_s is None:
            self._first_s = self._now()
        elif self._now() - self._first_s > _SAME_KEYPRESS_S:
            # `make` may forward the signal that the terminal has already sent here; that is not a second request.
            self._urgent = True
        self._event.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s``; return True as soon as a stop is requested."""
        return self._event.wait(timeout_s)

    def is_urgent(self) -> bool:
        """Return True after a second request: stop without waiting."""
        return self._urgent


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequests]:
    """Collect SIGINT, SIGTERM and SIGHUP instead of dying from them, so that nothing started here is left running."""
    requests = StopRequests()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, requests) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interruptible_by_sigterm() -> Iterator[None]:
    """Let SIGTERM interrupt blocking work as Ctrl-C does; use it only while no child process is running."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
