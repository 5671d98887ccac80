"""Cleanup of the folder of uploads: a file is deleted when its job has ended or does not exist."""

import asyncio
import re
import time
from pathlib import Path

import structlog

from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

SWEEP_EVERY_S = 2.0
ORPHAN_AGE_S = 60.0
"""Age after which an upload without a job is deleted; the job of a finished upload is created right after it."""
STALE_PART_S = 3600.0
"""The same for an upload in progress (``.part``), which may wait for other files of its request or a slow connection.
"""

# Ids are random and long. Any other file is not an upload: a wrong SPOOL_DIR must not delete anyone's files.
_OURS = re.compile(r"(?P<job_id>[A-Za-z0-9_-]{16,128})(\..*)?")


async def sweep_for_ever(bus: Bus, spool_dir: Path) -> None:
    """Sweep regularly until cancelled."""
    while True:
        try:
            await sweep(bus, spool_dir)
        except (*UNREACHABLE, OSError) as error:
            _log.warning("spool folder not swept", cause=str(error))
        await asyncio.sleep(SWEEP_EVERY_S)


async def sweep(bus: Bus, spool_dir: Path) -> int:
    """Delete files that are not needed; return how many. A file's name is its job's id, perhaps with an extension."""
    deleted = 0
    for path, age_s in await asyncio.to_thread(_files, spool_dir):
        match = _OURS.fullmatch(path.name)
        if match is None:
            continue
        job_id = match["job_id"]
        status = await bus.jobs.status(job_id)
        ended = status is not None and status.is_final
        patience_s = STALE_PART_S if path.suffix == ".part" else ORPHAN_AGE_S
        if ended or (status is None and age_s > patience_s):
            await asyncio.to_thread(path.unlink, missing_ok=True)  # another replica may have deleted it
            _log.info("upload deleted", job_id=job_id, reason="ended" if ended else "no such job")
            deleted += 1
    return deleted


def _files(spool_dir: Path) -> list[tuple[Path, float]]:
    """Return regular files, each with the seconds since its last write."""
    now = time.time()
    found = []
    for path in spool_dir.iterdir():
        try:
            if path.is_file() and not path.is_symlink():
                found.append((path, now - path.stat().st_mtime))
        except FileNotFoundError:
            continue
    return found
