"""Task helpers for every service."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

CANCEL_AGAIN_S = 1.0
"""Time for a cancelled task to clean up before it is cancelled again."""


async def cancel_and_wait(*tasks: "asyncio.Task[Any]", again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancel tasks and wait until they have ended, also when the caller is cancelled during the wait.

    Their errors are ignored, because the tasks log them themselves.
    """
    for task in tasks:
        _see(task)
    interruption: asyncio.CancelledError | None = None
    # Repeatedly, because redis-py writes within asyncio.wait_for, which on Python 3.11 loses a cancellation that
    # arrives together with its result. A task left alone after that would never end, and neither would the process.
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=again_s)
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        raise interruption


async def run_together(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines until cancelled, or until one fails or ends.

    An asyncio.TaskGroup cancels its tasks only once and would wait forever for one whose cancellation was lost.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancel_and_wait(*tasks, again_s=CANCEL_AGAIN_S / 4)


def _see(task: "asyncio.Task[Any]") -> None:
    """Retrieve a task's error, so that asyncio does not report it as never retrieved."""
    if not task.done():
        task.add_done_callback(_see)
    elif not task.cancelled():
        task.exception()


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets. Call inside the running loop."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


class LoopMonitor:
    """Monitor of the time since an event loop last ran; read from another thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._last = self._loop.time()
            await asyncio.sleep(0.2)

    @property
    def blocked_s(self) -> float:
        """Seconds since the last tick."""
        return 0.0 if self._loop is None else max(0.0, self._loop.time() - self._last)
