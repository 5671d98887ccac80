"""Core dumps, which would write what people say to a disk."""

import sys


def forbid_core_dumps() -> None:
    """Let no crash of this process, or of those that it starts, leave a dump of its memory."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
