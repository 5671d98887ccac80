"""The limit on open files: each connection is one, and an upload is another."""

import resource

ENOUGH = 65_536


def soft_limit() -> int:
    """How many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else soft


def raise_soft_limit() -> None:
    """As far as the hard limit and need go. Raises OSError or ValueError when the system refuses."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft_limit() < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
