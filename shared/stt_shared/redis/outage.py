"""Temporary errors of Redis: replies that mean "not now" and pass without a change to the program.

redis-py raises ``redis.ConnectionError`` only for broken connections and a server that is loading. Here every such
reply becomes one, at the connection (redis/uvloop_errors.py, redis/connection.py). Callers that wait for Redis to
return, or reply ``unavailable``, thus handle a full disk, full memory and a failover like an unreachable server.
"""

import re

import redis
from redis.exceptions import AskError, AuthorizationError, ClusterError, TryAgainError


class Refused(redis.ConnectionError):
    """Temporary refusal of a command by the right server. The connection is fine."""


class Full(Refused):
    """Refusal because Redis has reached its ``maxmemory``; it still reads and deletes."""


class ReadOnly(redis.ConnectionError):
    """Refusal because the server is a replica.

    After a failover the same address may lead to another server, so the client must reconnect.
    """


_KINDS: dict[str, type[redis.ConnectionError]] = {
    "OOM": Full,
    "READONLY": ReadOnly,
    "MASTERDOWN": ReadOnly,
    # The reply to a blocked read when its server becomes a replica.
    "UNBLOCKED": ReadOnly,
    "MISCONF": Refused,
    "NOREPLICAS": Refused,
    "BUSY": Refused,
    "CLUSTERDOWN": Refused,
    "TRYAGAIN": Refused,
}
# At the beginning, or after the introduction of a failed script's error ("ERR Error running script …: -READONLY …").
_CODE = re.compile(rf"(?:^|\bscript\b.*?[:\s]-?)({'|'.join(_KINDS)})\b")


def as_outage(error: Exception) -> Exception:
    """Return a temporary error as a ``redis.ConnectionError``, and any other error unchanged."""
    if isinstance(error, redis.ConnectionError) or not isinstance(error, redis.RedisError):
        return error
    # redis-py removes known codes from the message.
    code = getattr(error, "status_code", None)
    found = _CODE.search(f"{code} {error}" if code else str(error))
    if found is None:
        return error
    outage = _KINDS[found[1]](f"{found[1]}: {error}" if code else str(error))
    outage.__cause__ = error
    return outage


def must_reconnect(answer: object) -> bool:
    """Return whether this reply came from a server that is not the right one or not ready."""
    return isinstance(answer, redis.ConnectionError) and not isinstance(answer, Refused)


def is_cluster_matter(error: Exception) -> bool:
    """Return whether redis-py's cluster client handles the error, by asking another node or the same one later."""
    return isinstance(error, ClusterError | AskError | TryAgainError)


def is_lasting(error: Exception) -> bool:
    """Return whether the error persists until a password, a permission or the server is changed."""
    return isinstance(_unwrapped(error), redis.AuthenticationError | AuthorizationError)


def redis_state(error: Exception) -> str:
    """Return the state of Redis that the error shows, as reported by ``GET /health``."""
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
    """Return the server's error from a plain ConnectionError, in which redis-py wraps the reply to a login."""
    while error.args and isinstance(error.args[0], redis.RedisError):
        error = error.args[0]
    return error
