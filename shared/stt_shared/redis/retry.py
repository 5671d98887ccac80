"""Retries of calls that wait for as long as Redis is unreachable."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis
import structlog

_log = structlog.get_logger()

Answer = TypeVar("Answer")

RETRY_S = 0.2
"""Interval between two attempts."""


async def until_answered(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat ``call``, which must be idempotent, until Redis replies."""
    while True:
        try:
            return await call()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            _log.warning("redis unavailable, waiting", cause=str(error))
            await asyncio.sleep(RETRY_S)
