"""Files written to the spool folder as they arrive: never in memory, bounded in size."""

import asyncio
import errno
import os
from collections.abc import AsyncIterable, Callable
from io import BufferedWriter
from pathlib import Path

import structlog

from stt_gateway.spool.room import check_room
from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

CHECK_EVERY_BYTES = 16 * 1024**2
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def private(path: str, flags: int) -> int:
    """Open a file that nobody else may read; an ``opener``."""
    return os.open(path, flags, 0o600)


async def created(part: Path) -> BufferedWriter:
    """Create a file that must not exist. Raises OSError."""
    return await asyncio.to_thread(_created, part)


def _created(part: Path) -> BufferedWriter:
    return open(part, "xb", opener=private)


async def write_chunks(
    chunks: AsyncIterable[bytes],
    file: BufferedWriter,
    spool: Path,
    max_bytes: int,
    max_spool_bytes: int,
    on_data: Callable[[bytes], None],
) -> int:
    """Append all chunks and return their length; ``on_data`` gets each before it is written.

    ``max_spool_bytes``: limit of all files in ``spool`` together. Raises SttError too_large and at_capacity, OSError.
    """
    size_bytes = unchecked_bytes = 0
    async for data in chunks:
        size_bytes += len(data)
        if size_bytes > max_bytes:
            raise too_many_bytes(max_bytes)
        on_data(data)
        await asyncio.to_thread(file.write, data)
        unchecked_bytes += len(data)
        if unchecked_bytes > CHECK_EVERY_BYTES:
            await check_room(spool, max_spool_bytes, 0)
            unchecked_bytes = 0
    return size_bytes


def not_stored(error: OSError) -> SttError:
    """Return the error for a file that cannot be written, and log why."""
    # The client learns nothing about folders; the log says what to fix.
    _log.error("upload not stored", cause=str(error))
    reason = "there is no room for it" if error.errno in _NO_ROOM else "its folder cannot be written to"
    return SttError("unavailable", f"the upload could not be stored: {reason}; try again later")


def too_many_bytes(most: int) -> SttError:
    """Return the error for a request with more than ``most`` bytes of audio."""
    return SttError("too_large", f"more than {most} bytes of audio in one request")
