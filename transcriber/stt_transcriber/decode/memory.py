"""Regular release of free memory that the C library keeps.

Windows vary in length, and loading a model reads it into memory twice. glibc keeps the freed memory, some 200 MB after
a few hundred decodes.
"""

import asyncio
import ctypes
import sys

TRIM_EVERY_S = 60.0


def trim() -> None:
    """Release free memory to the system; takes some 10 ms, without the GIL. Does nothing with a C library but glibc."""
    if not sys.platform.startswith("linux"):
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


async def keep_trimmed() -> None:
    """Call ``trim`` every minute until cancelled."""
    while True:
        await asyncio.to_thread(trim)
        await asyncio.sleep(TRIM_EVERY_S)
