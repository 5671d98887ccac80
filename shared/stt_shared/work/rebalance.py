"""Rebalancing: moves sessions one at a time to added replicas, as decided by work/balance.py."""

import asyncio
import random

import structlog

from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.work.balance import recipient
from stt_shared.work.stage import StageWorker

_log = structlog.get_logger()

LOOK_EVERY_S = 1.0
"""Interval between checks, varied by a third. It spans several heartbeats, so that the next check sees the effect of
the last move."""


async def keep_balanced(bus: Bus, stage: StageWorker, replica_id: str, service: str) -> None:
    """Rebalance until cancelled.

    Reported figures may be outdated, so two consecutive checks must agree before a session moves.
    """
    before: str | None = None
    while True:
        await asyncio.sleep(LOOK_EVERY_S * random.uniform(0.7, 1.3))  # noqa: S311
        try:
            replicas = [replica for replica in await bus.replicas.living() if replica.service == service]
        except UNREACHABLE as error:
            _log.warning("replicas not listed", cause=str(error))
            before = None
            continue
        to = recipient(replica_id, replicas)
        if to is None or to != before:
            before = to
            continue
        before = None
        await stage.move_one(to)
