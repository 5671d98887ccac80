"""Clients for Redis and checks that Redis is usable.

``redis+cluster://host:port`` (``rediss+cluster://`` with TLS) is a Redis Cluster; more startup hosts may follow,
separated by commas. Every other URL is a single server, for which the cluster support has no cost.
"""

import asyncio
from typing import Any, cast

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry as BlockingRetry

from stt_shared.redis.cluster import ClusterClient, connect_cluster_sync, is_cluster_url
from stt_shared.redis.outage import UNREACHABLE, as_outage, is_lasting, redis_state
from stt_shared.redis.uvloop_errors import fix_connection_errors

BLOCK_MS = 1000
"""Longest blocking read in milliseconds. redis-py abandons any reply after ``socket_timeout``, which must be longer."""
OLDEST_VERSION = 7
ANSWER_TIMEOUT_S = 1.8
"""Time without a reply after which a connection is closed and replaced, because it may be half-open."""
WRITE_PROBE = "stt:write-probe"
"""Key written at startup to check that Redis accepts writes; expires at once."""


def connect(url: str) -> Redis:
    """Return an asyncio client that returns bytes.

    Its retries may send a write twice, so only idempotent functions may write.
    """
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_TIMEOUT_S,
        "socket_connect_timeout": ANSWER_TIMEOUT_S,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.5), retries=5),
        "max_connections": 256,
    }
    if is_cluster_url(url):
        # It does not inherit from Redis, but it supports all commands that this suite uses.
        return cast(Redis, ClusterClient(url, **options))
    return fix_connection_errors(Redis.from_url(url, health_check_interval=10, **options))


def connect_sync(url: str) -> redis.Redis:
    """Return a blocking client for separate threads (heartbeats).

    It tries once, and its callers retry at their own interval. Raises redis.ConnectionError when a cluster cannot be
    reached at all.
    """
    options: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if is_cluster_url(url):
        # One retry, after the client has refreshed the cluster's slots.
        return cast(redis.Redis, connect_cluster_sync(url, retry=BlockingRetry(NoBackoff(), 1), **options))
    return redis.Redis.from_url(url, retry=BlockingRetry(NoBackoff(), 0), **options)


async def wait_until_ready(url: str, timeout_s: float) -> None:
    """Wait until Redis can be used.

    Raises redis.ConnectionError with the last cause after ``timeout_s``, and at once for causes that waiting does not
    fix: a wrong password, a missing permission, a version that is too old.
    """
    cause: Exception | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    await asyncio.to_thread(check_usable, url)
                except UNREACHABLE as error:
                    cause = as_outage(error)
                    if is_lasting(cause):
                        raise
                    await asyncio.sleep(0.1)
                except ValueError as error:
                    raise redis.ConnectionError(f"REDIS_URL is not a URL of Redis: {error}") from error
                else:
                    return
    except TimeoutError as error:
        if cause is None or redis_state(cause) == "unreachable":
            raise redis.ConnectionError(f"no answer from Redis within {timeout_s:g} s") from error
        raise redis.ConnectionError(f"{cause} (waited {timeout_s:g} s)") from error


def check_usable(url: str) -> None:
    """Raise redis.ConnectionError or redis.TimeoutError unless Redis replies, is recent enough and accepts writes.

    Blocks. The connection has no retries, because with them redis-py tries to log in without a password forever.
    """
    try:
        with connect_sync(url) as client:
            if not is_cluster_url(url):
                hello = client.execute_command("HELLO")
                if (too_old := version_trouble(hello)) is not None:
                    raise redis.ResponseError(too_old)
            client.set(WRITE_PROBE, 1, px=1)
    except redis.ResponseError as error:
        outage = as_outage(error)
        if outage is not error:
            raise outage from error
        raise redis.exceptions.AuthorizationError(str(error)) from error


def version_trouble(hello: Any) -> str | None:
    """Return what is wrong with the version in a reply to HELLO; None when it is acceptable."""
    pairs = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2], strict=True))
    info = {_text(name): _text(value) for name, value in pairs.items() if isinstance(value, bytes | str)}
    version = info.get("version", "")
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) >= OLDEST_VERSION:
        return None
    found = f"{info.get('server', 'redis')} {version}"
    return f"{found} is too old; it must be Redis {OLDEST_VERSION}.0 or later, or Valkey"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
