"""While Redis cannot be reached, a session waits; whether it still owns its stage is seen when Redis is back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis
import structlog

_log = structlog.get_logger()

Answer = TypeVar("Answer")

RETRY_S = 0.2


async def until_answered(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeats ``call``, which must be idempotent, until Redis answers it."""
    while True:
        try:
            return await call()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            _log.warning("waiting for Redis", cause=str(error))
            await asyncio.sleep(RETRY_S)
