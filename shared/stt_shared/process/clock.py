"""Clocks: wall time for people and other machines, monotonic time for durations."""

import time


def wall_ms() -> float:
    """Return the milliseconds since 1970, UTC."""
    return time.time() * 1000


def monotonic_ms() -> float:
    """Return the milliseconds since an arbitrary start; never goes backwards."""
    return time.monotonic() * 1000
