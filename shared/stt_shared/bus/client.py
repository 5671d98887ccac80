"""Connections to Redis, and what to do while there is none.

``redis+cluster://host:port`` (``rediss+cluster://`` with TLS) is a Redis Cluster; more hosts to begin with may follow,
separated by commas. Every other URL is one server, and nothing here costs it anything.
"""

import asyncio
from typing import Any, cast

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry as BlockingRetry

from stt_shared.bus.closing import tell_of_closing
from stt_shared.bus.cluster import ClusterClient, connect_cluster_sync, is_cluster_url

BLOCK_MS = 1000
"""Longest blocking read. redis-py gives up on any reply after ``socket_timeout``, so that must be longer."""
ANSWER_TIMEOUT_S = 1.8
"""A connection that answers nothing for so long is given up and made anew: it may be half-open."""


def connect(url: str) -> Redis:
    """An asyncio client that answers bytes. Its retries may send a write twice: only idempotent functions write."""
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_TIMEOUT_S,
        "socket_connect_timeout": ANSWER_TIMEOUT_S,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries=5),
        "max_connections": 256,
    }
    if is_cluster_url(url):
        # Not a Redis by descent, but it answers all the commands that this suite gives.
        return cast(Redis, ClusterClient(url, **options))
    return tell_of_closing(Redis.from_url(url, health_check_interval=10, **options))


def connect_sync(url: str) -> redis.Redis:
    """A blocking client for threads of their own (heartbeats). It tries once: its callers try again on their own beat.

    Raises redis.ConnectionError when a cluster cannot be reached at all.
    """
    options: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if is_cluster_url(url):
        # Once more after it has asked who has what.
        return cast(redis.Redis, connect_cluster_sync(url, retry=BlockingRetry(NoBackoff(), 1), **options))
    return redis.Redis.from_url(url, retry=BlockingRetry(NoBackoff(), 0), **options)


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
