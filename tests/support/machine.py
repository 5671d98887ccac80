"""The machine on which figures were measured."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

_BEGAN = psutil.cpu_times()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        cpu = next(
            (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), ""
        )
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
        "stolen_percent": stolen_percent(),
    }


def stolen_percent() -> float | None:
    """Share of the processors' time since the benchmark began that the host gave to others: with much of it, latencies
    say little. None where the system does not report it."""
    now = psutil.cpu_times()
    if not hasattr(now, "steal"):
        return None
    total = sum(now) - sum(_BEGAN)
    return round(100 * (now.steal - _BEGAN.steal) / total, 2) if total else 0.0
