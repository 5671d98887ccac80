"""Limits on FFmpeg's allocations. Its demuxers trust the sizes that a file claims: 48 bytes can ask for a gigabyte.

No single allocation may exceed ``MAX_ALLOCATION_BYTES``. Since many allocations add up, no large one succeeds while the
replica, which decodes all live streams, exceeds its limit: streams that are being opened then fail, and free their
memory. The decoder of a file has a process and limits of its own (``files/decoder_limits.py``).
"""

import contextvars
import ctypes
import mmap
import sys
import threading
import time
from pathlib import Path
from typing import Any

import av
import av._core
import structlog

_log = structlog.get_logger()

MAX_ALLOCATION_BYTES = 64 << 20
"""Largest single allocation; enough for the index of some 15 hours of AAC in MP4."""
OVER_LIMIT_ALLOCATION_BYTES = 256 << 10
"""Largest single allocation above the memory limit; more than a stream needs once it is being decoded."""
CHECK_EVERY_S = 0.05
TRIM_EVERY_S = 1.0
_PAGE_BYTES = mmap.PAGESIZE
_STATM = Path("/proc/self/statm")


def limit_allocations(limit_bytes: int = MAX_ALLOCATION_BYTES) -> bool:
    """Limit each allocation of the FFmpeg libraries that PyAV has loaded, in the whole process.

    Returns False where that is not possible.
    """
    set_limit = _av_max_alloc()
    if set_limit is not None:
        set_limit(limit_bytes)
    return set_limit is not None and not _allocates(limit_bytes + 1)


def resident_bytes() -> int | None:
    """Return the resident memory of the process; None where the system does not report it."""
    try:
        return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
    except OSError:
        return None


class MemoryGuard:
    """Context manager that keeps the whole process below ``limit_bytes``. Does nothing where ``limit_allocations`` or
    ``resident_bytes`` is not supported."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._run,), name="memory guard", daemon=True
        )

    def __enter__(self) -> "MemoryGuard":
        if not limit_allocations():
            _log.warning("ffmpeg allocations not limited", cause="av_max_alloc is missing or has no effect")
        elif resident_bytes() is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
            limit_allocations()

    def _run(self) -> None:
        set_limit = _av_max_alloc()
        assert set_limit is not None
        was_over, trimmed_s = False, 0.0
        while not self._stop.wait(CHECK_EVERY_S):
            if was_over and time.monotonic() - trimmed_s > TRIM_EVERY_S:
                _return_free_memory()
                trimmed_s = time.monotonic()
            used_bytes = resident_bytes() or 0
            is_over = used_bytes > self._limit_bytes
            if is_over != was_over:
                set_limit(OVER_LIMIT_ALLOCATION_BYTES if is_over else MAX_ALLOCATION_BYTES)
                event = "memory limit exceeded, large allocations refused" if is_over else "memory below its limit"
                _log.warning(event, used_mb=used_bytes >> 20, limit_mb=self._limit_bytes >> 20)
                was_over = is_over


def _av_max_alloc() -> Any:
    """Return the function from the library that PyAV uses, wherever it is; None when it cannot be found."""
    try:
        # The loader also looks a symbol up in the libraries that this extension module is linked to.
        function = ctypes.CDLL(av._core.__file__).av_max_alloc
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], None
    return function


def _allocates(size_bytes: int) -> bool:
    try:
        av.Packet(size_bytes)
    except MemoryError:
        return False
    return True


def _return_free_memory() -> None:
    """Give the system freed memory that the C library keeps; otherwise it would count as used."""
    if sys.platform.startswith("linux"):
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
