"""Progress of commands that may take long."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is to do; 0 if unknown."""


def no_progress(_what: str, _done: int, _all: int) -> None:
    """Show nothing."""
