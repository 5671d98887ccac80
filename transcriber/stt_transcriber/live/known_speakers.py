"""Known voices of a live session: those its tenant has when it begins, but for those that are deleted meanwhile."""

import asyncio

from stt_shared.redis.outage import until_answered
from stt_shared.streams.jobs import JobStreams
from stt_transcriber.core.live.telling import Telling

FORGETS_S = 60.0
"""Time in which a session forgets a voice that was deleted."""


async def know_speakers(telling: Telling, jobs: JobStreams, tenant: str) -> None:
    """Give a session the voices that its tenant has; before its first frame."""
    telling.know(await until_answered(lambda: jobs.known_voices(tenant)))


async def forget_deleted(telling: Telling, jobs: JobStreams, tenant: str) -> None:
    """Take the voices away again that the tenant deletes; runs until it is cancelled."""
    while True:
        await asyncio.sleep(FORGETS_S)
        await know_speakers(telling, jobs, tenant)
