"""CPUs that the process may use: affinity, and the quotas of cgroup v1 and v2."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stt_shared.process.cpus import cgroup_cpus, cpu_set_id, usable_cpus

pytestmark = pytest.mark.unit

COUNT = "from stt_shared.process.cpus import usable_cpus; print(usable_cpus())"


def cpus(membership: str, files: dict[str, str]) -> float | None:
    return cgroup_cpus(membership, lambda path: files.get(str(path)))


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"/sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"/sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (
            "0::/a/b\n",
            {"/sys/fs/cgroup/a/cpu.max": "200000 100000", "/sys/fs/cgroup/a/b/cpu.max": "400000 100000"},
            2.0,
        ),
        ("0::/a/b\n", {"/sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
        (
            "4:cpu,cpuacct:/docker/x\n0::/\n",
            {
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000\n",
                "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            3.0,
        ),
        (
            "1:cpu:/\n",
            {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            None,
        ),
        ("3:cpuset:/\n2:cpuacct:/\n", {"/sys/fs/cgroup/cpuset/cpu.cfs_quota_us": "1"}, None),
    ],
)
def test_the_tightest_quota_of_a_cgroup_and_its_ancestors_counts(
    membership: str, files: dict[str, str], expected: float | None
) -> None:
    assert cpus(membership, files) == expected


def test_a_process_counts_the_cpus_of_its_affinity() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no CPU affinity")
    one = min(os.sched_getaffinity(0))
    pin = f"import os; os.sched_setaffinity(0, {{{one}}}); "
    bound = subprocess.run([sys.executable, "-c", pin + COUNT], capture_output=True, text=True, check=True)
    assert int(bound.stdout) == 1
    assert 1 <= usable_cpus() <= len(os.sched_getaffinity(0))


def test_a_process_counts_the_cpus_of_its_cgroup_quota() -> None:
    mounts = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
    mount = next((m for m in mounts if (m / "cgroup.procs").exists() and os.access(m, os.W_OK)), None)
    if mount is None:
        pytest.skip("no cgroup that this user may write to")
    group = mount / f"stt-test-{os.getpid()}"
    try:
        group.mkdir()
        if (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_quota_us").write_text("100000")
        else:
            (group / "cpu.max").write_text("100000 100000")
    except OSError as error:
        group.rmdir() if group.exists() else None
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        join = f"from pathlib import Path; import os; Path('{group}/cgroup.procs').write_text(str(os.getpid())); "
        bound = subprocess.run([sys.executable, "-c", join + COUNT], capture_output=True, text=True, check=True)
        assert int(bound.stdout) == 1
    finally:
        group.rmdir()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_processes_with_the_same_cpus_have_an_id_in_common() -> None:
    code = "from stt_shared.process.cpus import cpu_set_id; print(cpu_set_id())"
    pinned = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + code
    same, other = (subprocess.check_output([sys.executable, "-c", line], text=True).strip() for line in (code, pinned))
    assert same == cpu_set_id()
    assert (other == same) == (len(os.sched_getaffinity(0)) == 1)
