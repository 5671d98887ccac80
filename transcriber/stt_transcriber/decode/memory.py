"""Memory that the C library keeps for later goes back to the system.

Windows come in every length, and a model is read into memory twice before it is ready: glibc keeps what was freed, some
200 MB of it after a few hundred decodes.
"""

import asyncio
import ctypes
import sys

TRIM_EVERY_S = 60.0


def trim() -> None:
    """Gives free memory back; takes some 10 ms, without the GIL. Does nothing where the C library is another."""
    if not sys.platform.startswith("linux"):
        return
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


async def keep_trimmed() -> None:
    """Every minute, until cancelled."""
    while True:
        await asyncio.to_thread(trim)
        await asyncio.sleep(TRIM_EVERY_S)
