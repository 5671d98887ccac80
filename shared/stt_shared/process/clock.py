"""The two clocks: wall time for people and other machines, monotonic time for durations."""

import time


def wall_ms() -> float:
    """Milliseconds since 1970, UTC."""
    return time.time() * 1000


def monotonic_ms() -> float:
    """Milliseconds from an arbitrary start; never goes back."""
    return time.monotonic() * 1000
