"""Estimate of a job's remaining time from its rate so far."""

import math

MIN_ELAPSED_S = 2.0
MIN_PROGRESS = 2.0
"""Minimum elapsed time and progress (percent): an earlier estimate would reflect the start more than the rate."""
_STEPS_S = ((10, 1), (60, 5), (600, 15), (3600, 60), (math.inf, 300))


def seconds_left(progress: float, elapsed_s: float) -> int | None:
    """Estimate the seconds from ``progress`` (0 to 100), which took ``elapsed_s``, to the end; at least 1.

    Returns None when it is too early to tell, or ``progress`` is 100. The result is rounded up in steps that grow with
    it: an estimate of an hour should not change by a second at a time.
    """
    if elapsed_s < MIN_ELAPSED_S or not MIN_PROGRESS <= progress < 100:
        return None
    left_s = elapsed_s * (100 - progress) / progress
    step_s = next(step_s for limit_s, step_s in _STEPS_S if left_s < limit_s)
    return max(1, math.ceil(left_s / step_s) * step_s)
