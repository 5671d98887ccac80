"""Regular admission of queued jobs: whoever ends a job admits the next, unless it dies or is of an older version."""

import asyncio

import structlog

from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

ADMIT_EVERY_S = 2.0


async def admit_for_ever(bus: Bus) -> None:
    """Admit regularly until cancelled."""
    while True:
        try:
            await bus.jobs.admit()
        except UNREACHABLE as error:
            _log.warning("jobs not admitted: redis unavailable", cause=str(error))
        await asyncio.sleep(ADMIT_EVERY_S)
