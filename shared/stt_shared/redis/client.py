"""Clients for Redis and checks that Redis is usable.

``redis+cluster://host:port`` (``rediss+cluster://`` with TLS) is a Redis Cluster, ``redis+sentinel://host:port/name``
the master that sentinels name; more hosts may follow, separated by commas. Every other URL is a single server.
"""

import asyncio
import time
from typing import Any, cast

import redis
import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry as BlockingRetry

from stt_shared.redis.address import check_url, unusable
from stt_shared.redis.cluster import ClusterClient, connect_cluster_sync, is_cluster_url
from stt_shared.redis.outage import REDIS_ERRORS, as_outage, is_lasting
from stt_shared.redis.rights import check_rights
from stt_shared.redis.sentinel import connect_sentinel, connect_sentinel_sync, is_sentinel_url
from stt_shared.redis.uvloop_errors import fix_connection_errors

_log = structlog.get_logger()

BLOCK_MS = 1000
"""Longest blocking read in milliseconds. redis-py abandons any reply after ``socket_timeout``, which must be longer."""
OLDEST_VERSION = 7
ANSWER_TIMEOUT_S = 1.8
"""Time without a reply after which a connection is closed and replaced, because it may be half-open."""
_SILENT_WAIT_S = 10.0
"""Wait for Redis at the start after which the log says so."""


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
    options["health_check_interval"] = 10
    if is_sentinel_url(url):
        return fix_connection_errors(connect_sentinel(url, **options))
    return fix_connection_errors(Redis.from_url(url, **options))


def connect_sync(url: str) -> redis.Redis:
    """Return a blocking client for separate threads (heartbeats).

    It tries once, and its callers retry at their own interval. Raises redis.ConnectionError when a cluster cannot be
    reached at all.
    """
    options: dict[str, Any] = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
    if is_cluster_url(url):
        # One retry, after the client has refreshed the cluster's slots.
        return cast(redis.Redis, connect_cluster_sync(url, retry=BlockingRetry(NoBackoff(), 1), **options))
    options["retry"] = BlockingRetry(NoBackoff(), 0)
    return connect_sentinel_sync(url, **options) if is_sentinel_url(url) else redis.Redis.from_url(url, **options)


async def wait_until_ready(url: str, timeout_s: float) -> None:
    """Wait until Redis can be used.

    Raises redis.ConnectionError with a line for the operator after ``timeout_s``, and at once for causes that waiting
    does not fix: a URL that is none, a wrong password or certificate, a missing permission, a version that is too old.
    """
    began_s = time.monotonic()
    is_said = False
    cause: Exception = redis.ConnectionError("no answer")
    while True:
        try:
            # A host that swallows packets may take longer to fail than there is time.
            return await asyncio.wait_for(asyncio.to_thread(check_usable, url), began_s + timeout_s - time.monotonic())
        except ValueError as error:
            raise redis.ConnectionError(str(error)) from error
        except TimeoutError:
            pass  # the cause is that of the last attempt
        except REDIS_ERRORS as error:
            cause = as_outage(error)
        waited_s = time.monotonic() - began_s
        if is_lasting(cause):
            raise redis.ConnectionError(unusable(cause, url)) from cause
        if waited_s > timeout_s:
            raise redis.ConnectionError(f"{unusable(cause, url)} (waited {timeout_s:g} s)") from cause
        if waited_s > _SILENT_WAIT_S and not is_said:
            is_said = True
            _log.warning("waiting for redis", cause=unusable(cause, url), at_most_s=timeout_s)
        await asyncio.sleep(0.1)


def check_usable(url: str) -> None:
    """Raise redis.ConnectionError or redis.TimeoutError unless Redis replies, is recent enough and lets this user do
    what the suite does. Raises ValueError for a URL that is none.

    Blocks. The connection has no retries, because with them redis-py tries to log in without a password forever.
    """
    check_url(url)
    try:
        with connect_sync(url) as client:
            if not is_cluster_url(url):
                hello = client.execute_command("HELLO")
                if (wrong := server_trouble(hello)) is not None:
                    raise redis.ResponseError(wrong)
            check_rights(client, sharded=is_cluster_url(url))
    except redis.ResponseError as error:
        outage = as_outage(error)
        if outage is not error:
            raise outage from error
        raise redis.exceptions.AuthorizationError(str(error)) from error


def server_trouble(hello: Any) -> str | None:
    """Return what is wrong with the server that a reply to HELLO describes; None when it is acceptable."""
    pairs = hello if isinstance(hello, dict) else dict(zip(hello[::2], hello[1::2], strict=True))
    info = {_text(name): _text(value) for name, value in pairs.items() if isinstance(value, bytes | str)}
    if info.get("mode") == "cluster":
        return "it is part of a cluster; write redis+cluster:// (rediss+cluster:// with TLS)"
    if info.get("mode") == "sentinel":
        return "it is a sentinel; write redis+sentinel://HOST:PORT/NAME/0, with the name of the master"
    version = info.get("version", "")
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) >= OLDEST_VERSION:
        return None
    found = f"{info.get('server', 'redis')} {version}"
    return f"{found} is too old; it must be Redis {OLDEST_VERSION}.0 or later, or Valkey"


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
