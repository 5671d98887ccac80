"""Low thread priority, so that background work yields the cores to work that a client waits for."""

import os
import sys

NICENESS = 14
"""Niceness of background work, which gets about 1/20 of a core that other threads could use all the time."""


def lower_thread_priority() -> None:
    """Lower the priority of the calling thread and of all threads that it starts; this cannot be undone.

    Does nothing on systems without a priority per thread, which are all but Linux.
    """
    if sys.platform.startswith("linux"):
        os.nice(NICENESS)
