"""How long a job will take on, by its rate so far."""

import math

MIN_ELAPSED_S = 2.0
MIN_PROGRESS = 2.0
"""Earlier than this, a guess would tell more of the start than of the rate."""
_STEPS_S = ((10, 1), (60, 5), (600, 15), (3600, 60), (math.inf, 300))


def seconds_left(progress: float, elapsed_s: float) -> int | None:
    """Seconds from ``progress`` (0 to 100) to the end, when so much took ``elapsed_s``; at least 1. None: too early to
    say. In steps that grow with it: nobody needs to see an hour waver by a second."""
    if elapsed_s < MIN_ELAPSED_S or not MIN_PROGRESS <= progress < 100:
        return None
    left_s = elapsed_s * (100 - progress) / progress
    step_s = next(step_s for limit_s, step_s in _STEPS_S if left_s < limit_s)
    return max(1, math.ceil(left_s / step_s) * step_s)
