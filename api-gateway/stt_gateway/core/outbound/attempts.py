"""When a callback or a fetch is tried again, and when a callback is given up. Pure."""

from collections.abc import Callable, Sequence
from http import HTTPStatus

DELAYS_S = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 14_400.0)
"""Pauses after the first attempts; the last is also that after any later one."""
MAX_ATTEMPTS = 9
"""With all pauses this is below the time that a job stays readable."""
SPREAD = 0.2
"""Share by which pauses vary, so that what failed together does not come back together."""


def delay_s(
    attempt: int, most_attempts: int, random: Callable[[], float], delays_s: Sequence[float] | None = None
) -> float | None:
    """Return the pause after failed attempt ``attempt`` (from 1); None when it was the last.

    ``random`` returns a number from 0 to 1. ``delays_s``: other pauses than those of callbacks.
    """
    if attempt >= most_attempts:
        return None
    delays_s = delays_s or DELAYS_S
    base_s = delays_s[min(attempt, len(delays_s)) - 1]
    return base_s * (1 + SPREAD * (2 * random() - 1))


def is_delivered(status: int) -> bool:
    """Return whether a receiver has accepted a callback; a redirect is a failure, since it is not followed."""
    return 200 <= status < 300


def is_unwanted(status: int) -> bool:
    """Return whether a receiver says that it wants no callback ever again."""
    return status == HTTPStatus.GONE
