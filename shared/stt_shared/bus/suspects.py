"""Parts of jobs that workers died of: tried again one at a time, marked as such, and given up after three deaths.

Without the mark a part that kills its worker would take its neighbours along: they die with the same workers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis

from stt_shared.bus import keys
from stt_shared.bus.functions import Functions
from stt_shared.bus.jobs import MAX_CRASHES, SUSPECT_TTL_S, suspect_name
from stt_shared.bus.keys import StreamKeys
from stt_shared.clock import wall_ms
from stt_shared.contracts.jobs import JobError, JobStatus
from stt_shared.contracts.session import encode_json

_log = structlog.get_logger()


class Suspects:
    """What all parts of jobs in one process share. For one event loop.

    One chunk and one stage (decoding or cutting a file) may be on trial at once. A chunk is the stronger suspect: its
    trial is short, and waits for no stage; a stage's begins when no chunk is on trial.
    """

    def __init__(self, client: Redis, functions: Functions) -> None:
        self._client = client
        self._functions = functions
        self._one_chunk = asyncio.Lock()
        self._one_stage = asyncio.Lock()
        self._chunk = ""
        self._stage = ""

    @contextlib.asynccontextmanager
    async def chunk(self, at: StreamKeys, epoch: str, index: int, replica: str, follows: str) -> AsyncIterator[bool]:
        """Entered when ``replica`` may work on the chunk; gives False when it was given up, and its job with it.

        ``follows``: the dead worker that had it, '' for none.
        """
        part = f"chunk {index}"
        crashes = await self._crashes(at, epoch, part, follows, "-")
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        async with self._one_chunk:
            try:
                self._chunk = suspect_name(at, part)
                await self._tell(replica)
                yield True
            finally:
                self._chunk = ""
                await self._tell(replica)

    @contextlib.asynccontextmanager
    async def stage(
        self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str, progress_field: str
    ) -> AsyncIterator[bool]:
        """The same for a stage of a job; ``progress_field`` of the job's hash tells how far it is."""
        crashes = await self._crashes(at, epoch, stage, follows, progress_field)
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        async with self._one_stage:
            async with self._one_chunk:
                self._stage = suspect_name(at, stage)
            try:
                await self._tell(replica)
                yield True
            finally:
                self._stage = ""
                await self._tell(replica)

    async def leave(self, replica: str) -> None:
        """``replica`` ends in good order: whatever is found in its hands afterwards is not to blame."""
        await self._client.set(keys.job_suspect(replica), "left", ex=SUSPECT_TTL_S)

    async def _crashes(self, at: StreamKeys, epoch: str, part: str, follows: str, progress_field: str) -> int | None:
        """How many workers died of the part; None: so many that it was given up."""
        if not follows:
            return 0
        workers = await self._functions.jobs.count_crash(at, epoch, part, follows, progress_field=progress_field)
        if len(workers) < MAX_CRASHES:
            return len(workers)
        _log.error("job given up: its workers died", job_id=at.id, part=part, workers=workers)
        message = f"{len(workers)} workers died, one after another, of this file (part: {part})"
        await self._functions.jobs.finish(
            at,
            epoch,
            JobStatus.FAILED,
            error=encode_json(JobError("internal", message)),
            now_ms=wall_ms(),
            part=part,
            workers=workers,
        )
        return None

    async def _tell(self, replica: str) -> None:
        suspect = self._chunk or self._stage
        if suspect:
            await self._client.set(keys.job_suspect(replica), suspect, ex=SUSPECT_TTL_S)
        else:
            await self._client.delete(keys.job_suspect(replica))
