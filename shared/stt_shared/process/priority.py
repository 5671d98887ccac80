"""Work that nobody waits for leaves the cores to work that somebody does."""

import os
import sys

NICENESS = 14
"""Where others could use a core all the time, such work has a twentieth of it."""


def lower_thread_priority() -> None:
    """From here on the calling thread, and each that it starts, has the time that others leave; there is no way back.

    Does nothing where threads have no priorities of their own, which is everywhere but on Linux.
    """
    if sys.platform.startswith("linux"):
        os.nice(NICENESS)
