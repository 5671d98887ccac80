"""Answers of Redis that mean "not now": errors that pass without anybody changing the program.

redis-py raises ``redis.ConnectionError`` only for broken connections and a server that is loading. Here every such
answer becomes one, at the connection (redis/uvloop_errors.py, redis/connection.py). Callers that wait for Redis to come
back, or answer ``unavailable``, thus handle a full disk, full memory and a failover like a server that is gone.
"""

import re

import redis
from redis.exceptions import AskError, AuthorizationError, ClusterError, TryAgainError


class Refused(redis.ConnectionError):
    """The server is the right one but cannot carry out the command now. The connection is fine."""


class Full(Refused):
    """Redis has reached its ``maxmemory``: it still reads and deletes."""


class ReadOnly(redis.ConnectionError):
    """The server is a replica: after a failover, the same address may lead to another server, so connect again."""


_KINDS: dict[str, type[redis.ConnectionError]] = {
    "OOM": Full,
    "READONLY": ReadOnly,
    "MASTERDOWN": ReadOnly,
    # To a blocked read when its server becomes a replica.
    "UNBLOCKED": ReadOnly,
    "MISCONF": Refused,
    "NOREPLICAS": Refused,
    "BUSY": Refused,
    "CLUSTERDOWN": Refused,
    "TRYAGAIN": Refused,
}
# At the beginning, or behind what a script that failed is introduced with ("ERR Error running script …: -READONLY …").
_CODE = re.compile(rf"(?:^|\bscript\b.*?[:\s]-?)({'|'.join(_KINDS)})\b")


def as_outage(error: Exception) -> Exception:
    """The error as a ``redis.ConnectionError`` when it passes, else unchanged."""
    if isinstance(error, redis.ConnectionError) or not isinstance(error, redis.RedisError):
        return error
    # redis-py takes codes that it knows off the message.
    code = getattr(error, "status_code", None)
    found = _CODE.search(f"{code} {error}" if code else str(error))
    if found is None:
        return error
    outage = _KINDS[found[1]](f"{found[1]}: {error}" if code else str(error))
    outage.__cause__ = error
    return outage


def must_reconnect(answer: object) -> bool:
    """The connection that brought this answer leads to a server that is not the right one, or not ready."""
    return isinstance(answer, redis.ConnectionError) and not isinstance(answer, Refused)


def is_cluster_matter(error: Exception) -> bool:
    """redis-py's cluster client deals with it, by asking another node or the same one later."""
    return isinstance(error, ClusterError | AskError | TryAgainError)


def is_lasting(error: Exception) -> bool:
    """Somebody must change a password, a permission or the server before this passes."""
    return isinstance(_unwrapped(error), redis.AuthenticationError | AuthorizationError)


def redis_state(error: Exception) -> str:
    """What is wrong with Redis, in the words of ``GET /health``."""
    match as_outage(_unwrapped(error)):
        case Full():
            return "full"
        case ReadOnly():
            return "read_only"
        case Refused() | redis.ResponseError() | redis.BusyLoadingError():
            return "unavailable"
        case redis.AuthenticationError() | AuthorizationError():
            return "unavailable"
        case _:
            return "unreachable"


def _unwrapped(error: Exception) -> Exception:
    """redis-py puts what a server answers to a login into a plain ConnectionError."""
    while error.args and isinstance(error.args[0], redis.RedisError):
        error = error.args[0]
    return error
