"""Gives sessions to replicas that have been added, one at a time (work/balance.py decides)."""

import asyncio
import random

import redis
import structlog
from redis.asyncio import Redis

from stt_shared.work.balance import recipient
from stt_shared.work.heartbeat import living_replicas
from stt_shared.work.stage import StageWorker

_log = structlog.get_logger()

LOOK_EVERY_S = 1.0
"""Give or take a third. Several beats: the next look sees what came of the last move."""


async def keep_balanced(client: Redis, stage: StageWorker, replica_id: str, service: str) -> None:
    """Looks until cancelled. What is said of a replica may be out of date, so it must be said in two looks running."""
    before: str | None = None
    while True:
        await asyncio.sleep(LOOK_EVERY_S * random.uniform(0.7, 1.3))  # noqa: S311
        try:
            replicas = [replica for replica in await living_replicas(client) if replica.service == service]
        except (redis.ConnectionError, redis.TimeoutError) as error:
            _log.warning("no look at the other replicas", cause=str(error))
            before = None
            continue
        to = recipient(replica_id, replicas)
        if to is None or to != before:
            before = to
            continue
        before = None
        await stage.move_one(to)
