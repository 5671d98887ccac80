"""Limit on open files: each connection takes one, and an upload takes another."""

import resource

ENOUGH = 65_536


def soft_limit() -> int:
    """Return how many files this process may open; at most ENOUGH if there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def raise_soft_limit() -> None:
    """Raise the soft limit to ENOUGH or the hard limit, whichever is lower.

    Raises OSError or ValueError when the system refuses.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft_limit() < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
