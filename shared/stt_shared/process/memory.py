"""Memory that this process may use, which in a container is rarely that of the machine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from stt_shared.process.cpus import CGROUP_ROOT, cgroup_folders, read_file

_V1_CONTROLLER = "memory"
_V1_UNLIMITED = 1 << 60
"""Without a limit, version 1 tells the highest number of bytes that it can count."""


def memory_limit_bytes() -> int | None:
    """Return the smallest limit of this process's cgroups (v1 and v2); None without one."""
    membership = read_file(Path("/proc/self/cgroup"))
    return None if membership is None else cgroup_memory(membership, read_file)


def available_bytes() -> int | None:
    """Return the bytes that new processes of this machine can have; None where the system does not report it."""
    for line in (read_file(Path("/proc/meminfo")) or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def resident_bytes() -> int:
    """Return the memory that this process has in use; 0 where the system does not report it."""
    text = read_file(Path("/proc/self/statm"))
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE") if text else 0


def cgroup_memory(membership: str, read: Callable[[Path], str | None]) -> int | None:
    """Return the smallest limit in bytes; arguments as of ``cgroup_cpus``."""
    return min(_limits(membership, read), default=None)


def _limits(membership: str, read: Callable[[Path], str | None]) -> Iterator[int]:
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            files = [folder / "memory.max" for folder in cgroup_folders(CGROUP_ROOT, path)]
        elif _V1_CONTROLLER in controllers.split(","):
            mount = CGROUP_ROOT / _V1_CONTROLLER
            files = [folder / "memory.limit_in_bytes" for folder in cgroup_folders(mount, path)]
        else:
            continue
        for text in filter(None, map(read, files)):
            if text.strip().isdecimal() and int(text) < _V1_UNLIMITED:
                yield int(text)
