"""Limits that a decoder's process sets for itself: memory, CPU time, no network, no files to write.

Audio claims what it likes, and FFmpeg believes much of it. Each limit ends the decoding of that audio and nothing else.
"""

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from stt_audio.codecs.memory import limit_allocations
from stt_shared.contracts.session import AUDIO_RATE_HZ

MAX_MEMORY_BYTES = 96 << 20
"""Memory that decoding may take, besides that of the interpreter and the libraries."""
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
OPEN_CPU_S = 60
OPEN_BYTES_PER_CPU_S = 2 << 20
"""Least speed of reading a file, which is read twice if it does not state its length."""
LEAST_SPEED = 5
"""Seconds of audio per second of CPU time below which a file is given up; usual are some hundreds."""


def limit_this_process(size_bytes: int = 0) -> None:
    """Limit what opening a file of this size, or a stream, may take. Where the system lacks a limit, others hold."""
    limit_allocations()
    if sys.platform != "win32":
        import resource

        _lower(resource.RLIMIT_CORE, 0)  # it would hold the audio
        _lower(resource.RLIMIT_FSIZE, 0)  # Python ignores the signal, so that a write is an error
        _lower(resource.RLIMIT_CPU, OPEN_CPU_S + size_bytes // OPEN_BYTES_PER_CPU_S)
    if sys.platform.startswith("linux"):
        # RLIMIT_AS would count what is only reserved, which is far more than what is used.
        _lower(resource.RLIMIT_DATA, _data_bytes() + MAX_MEMORY_BYTES)
        # When the machine or the container has no memory left, this process goes before the replica.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def leave_network() -> bool:
    """Move this process, which must have one thread only, into a network of its own without any interface.

    Returns False where the system does not let it, as in a container: there the container's network must do.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # Root may do so at once, others in a user namespace of their own.
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def allow_cpu_for(n_samples: int) -> None:
    """Add the CPU time that decoding so many samples may take."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        more_s = soft + n_samples // (AUDIO_RATE_HZ * LEAST_SPEED)
        resource.setrlimit(resource.RLIMIT_CPU, (more_s if hard == resource.RLIM_INFINITY else min(more_s, hard), hard))


def _lower(limit: int, value: int) -> None:
    """Lower a soft limit, unless it is lower already."""
    import resource

    soft, hard = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY or soft > value:
        resource.setrlimit(limit, (value, hard))


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts: the private writable memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGESIZE")  # pragma: no cover - every Linux reports it
