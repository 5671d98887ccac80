"""Connections to Redis, and what to do while there is none."""

import asyncio

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

BLOCK_MS = 1000
"""Longest blocking read. redis-py gives up on any reply after ``socket_timeout``, so that must be longer."""


def connect(url: str) -> Redis:
    """An asyncio client that answers bytes. Its retries may send a write twice: only idempotent functions write."""
    return Redis.from_url(
        url,
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
        health_check_interval=10,
        retry=Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries=5),
        max_connections=256,
    )


def connect_sync(url: str) -> redis.Redis:
    """A blocking client for threads of their own (heartbeats)."""
    return redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)


async def wait_until_ready(client: Redis, timeout_s: float) -> None:
    """Returns when the server answers PING. Raises redis.ConnectionError with the last cause after ``timeout_s``."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    await client.ping()
                except (redis.ConnectionError, redis.TimeoutError):
                    await asyncio.sleep(0.1)
                else:
                    return
    except TimeoutError as error:
        raise redis.ConnectionError(f"no answer from Redis within {timeout_s:g} s") from error
