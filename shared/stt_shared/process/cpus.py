"""CPUs that this process may use, which in a container are rarely those of the machine."""

import functools
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

CGROUP_ROOT = Path("/sys/fs/cgroup")
_V1_CONTROLLER = "cpu"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def usable_cpus() -> int:
    """Return the CPUs allowed by affinity and cgroup quota (v1 and v2), rounded down, at least 1.

    A quota of 1.5 CPUs counts as one: two busy threads would be throttled for a quarter of the time.
    """
    allowed = allowed_cpus()
    try:
        membership = Path("/proc/self/cgroup").read_text()
    except OSError:
        return allowed  # not Linux, or no /proc
    quota = cgroup_cpus(membership, read_file)
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def allowed_cpus() -> int:
    """Return the number of CPUs that the affinity allows, whatever the quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def cpu_set_id() -> str:
    """Return an id that only processes with the same CPUs have in common, in whatever container they run.

    It says nothing else about the machine.
    """
    try:
        machine = _BOOT_ID.read_text()  # every container sees that of its kernel
    except OSError:
        machine = platform.node()
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ()
    return hashlib.sha256(f"{machine} {allowed}".encode()).hexdigest()[:12]


def cgroup_cpus(membership: str, read: Callable[[Path], str | None]) -> float | None:
    """Return the smallest CPU quota of a process's cgroups and their ancestors, in CPUs; None without one.

    ``membership``: the text of /proc/PID/cgroup (see cgroups(7)). ``read`` returns a file's text, None if the file does
    not exist. Inside a container the listed path may not exist below the mount, which then is the container's own
    cgroup.
    """
    quotas = [quota for quota in _quotas(membership, read) if quota is not None]
    return min(quotas, default=None)


def _quotas(membership: str, read: Callable[[Path], str | None]) -> Iterator[float | None]:
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in cgroup_folders(CGROUP_ROOT, path):
                yield _v2_quota(read(folder / "cpu.max"))
        elif _V1_CONTROLLER in controllers.split(","):
            for mount in {CGROUP_ROOT / controllers, CGROUP_ROOT / _V1_CONTROLLER}:
                for folder in cgroup_folders(mount, path):
                    yield _v1_quota(read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us"))


def cgroup_folders(mount: Path, path: str) -> Iterator[Path]:
    """Yield the folders of the cgroup and of all its ancestors, because the tightest limit applies."""
    inside = PurePosixPath(path).relative_to("/")
    for part in (inside, *inside.parents):
        yield mount / part


def _v2_quota(text: str | None) -> float | None:
    quota, _, period = (text or "max").partition(" ")
    return None if quota.strip() == "max" else int(quota) / int(period)


def _v1_quota(quota: str | None, period: str | None) -> float | None:
    return None if quota is None or period is None or int(quota) <= 0 else int(quota) / int(period)


def read_file(path: Path) -> str | None:
    """Return a file's text; None if it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return None
