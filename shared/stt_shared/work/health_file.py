"""State of this process in a file of its container, where a health check finds it at hardly any cost.

A check that asks Redis takes a third of a second of CPU each time, to import the client alone.
"""

import contextlib
import os
from pathlib import Path

WELL = {"ready", "draining"}
STALE_S = 10.0
"""Age from which a state is that of a process that stands still: the heartbeat's thread waits four seconds for Redis at
most, and renews the file five times a second otherwise."""


class HealthFile:
    """Writer of the file. ``path`` None: nothing is written."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written = ""

    def write(self, state: str, reason: str, redis_trouble: str) -> None:
        """Write the state and its reason, and why Redis cannot be used ('' if it can). Raises OSError."""
        if self._path is None:
            return
        text = "\n".join((state, reason, redis_trouble))
        if text == self._written:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._path)
                return
        # In one step, because a check must not find half of it.
        fresh = self._path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self._path)
        self._written = text


def find_problem(path: Path, now_s: float, *, ignore_redis: bool) -> str | None:
    """Return what is wrong with the process that writes ``path``; None when it is alive and healthy.

    ``ignore_redis``: a Redis that cannot be used is no problem.
    """
    try:
        age_s = now_s - path.stat().st_mtime
        state, reason, redis_trouble = path.read_text().split("\n")
    except FileNotFoundError:
        return "no replica has started"
    if age_s > STALE_S:
        return f"no heartbeat for {age_s:.0f} s"
    if redis_trouble and not ignore_redis:
        return f"Redis: {redis_trouble}"
    return None if state in WELL else f"the replica is {state}: {reason}"
