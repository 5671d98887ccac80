"""Limit on FFmpeg's allocations. Its demuxers trust the sizes that a file claims: 48 bytes can ask for a gigabyte.

No single allocation may exceed ``MAX_ALLOCATION_BYTES``; all of a decoder's together are limited by its process
(``isolation/limits.py``).
"""

import ctypes
from typing import Any

import av
import av._core

MAX_ALLOCATION_BYTES = 64 << 20
"""Largest single allocation; enough for the index of some 15 hours of AAC in MP4."""


def limit_allocations(limit_bytes: int = MAX_ALLOCATION_BYTES) -> bool:
    """Limit each allocation of the FFmpeg libraries that PyAV has loaded, in the whole process.

    Returns False where that is not possible.
    """
    set_limit = _av_max_alloc()
    if set_limit is not None:
        set_limit(limit_bytes)
    return set_limit is not None and not _allocates(limit_bytes + 1)


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
