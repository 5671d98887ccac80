"""Room in the spool folder: a bound on the bytes of all uploads that wait there."""

import asyncio
import contextlib
import os
from pathlib import Path

from stt_shared.contracts.errors import SttError


async def check_room(spool: Path, max_bytes: int, more_bytes: int) -> None:
    """Check that ``more_bytes`` fit besides the files that are there. Raises SttError at_capacity."""
    used_bytes = await asyncio.to_thread(_used_bytes, spool)
    if used_bytes + more_bytes > max_bytes:
        message = (
            f"the uploads that wait may take {max_bytes} bytes in all, and {used_bytes} are taken; try again later"
        )
        raise SttError("at_capacity", message)


def _used_bytes(spool: Path) -> int:
    used_bytes = 0
    with os.scandir(spool) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # its job has ended meanwhile
                used_bytes += entry.stat(follow_symlinks=False).st_size
    return used_bytes
