"""Outages of Redis: which errors are temporary, and how callers wait for their end.

redis-py raises ``redis.ConnectionError`` only for broken connections and a server that is loading. Here every such
reply becomes one, at the connection (redis/uvloop_errors.py, redis/connection.py). Callers that wait for Redis to
return, or reply ``unavailable``, thus handle a full disk, full memory and a failover like an unreachable server.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis
import structlog
from redis.exceptions import AskError, AuthorizationError, ClusterError, RedisClusterException, TryAgainError

from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

Answer = TypeVar("Answer")

UNREACHABLE = (redis.ConnectionError, redis.TimeoutError)
"""Errors of a call while Redis is unreachable or refuses it for now; whether it was carried out is unknown."""
REDIS_ERRORS = (redis.RedisError, RedisClusterException)
"""All errors of Redis, those that are not temporary included."""
RETRY_S = 0.2
"""Interval between two attempts."""


def unavailable(then: str = "connect again") -> SttError:
    """Return the error for a client that cannot be served while Redis is unreachable; ``then``: what it should do."""
    return SttError("unavailable", f"the store does not answer; {then}")


class Outage:
    """Time that Redis has been unreachable, for loops that repeat more than one call (see ``until_answered``).

    ``patience_s``: time after which waiting ends; None: never.
    """

    def __init__(self, *, patience_s: float | None = None, retry_s: float = RETRY_S) -> None:
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._since_s: float | None = None

    def end(self) -> None:
        """Note that Redis has answered."""
        self._since_s = None

    async def wait(self, error: Exception) -> None:
        """Wait before the next attempt after ``error``. Raises SttError unavailable when patience has run out."""
        now_s = time.monotonic()
        if self._since_s is None:
            self._since_s = now_s
            _log.warning("redis unavailable, waiting", cause=str(error))
        if self._patience_s is not None and now_s - self._since_s > self._patience_s:
            raise unavailable() from error
        await asyncio.sleep(self._retry_s)


async def until_answered(call: Callable[[], Awaitable[Answer]], *, patience_s: float | None = None) -> Answer:
    """Repeat ``call``, which must be idempotent, until Redis replies.

    Raises SttError unavailable after ``patience_s``; None: never.
    """
    outage = Outage(patience_s=patience_s)
    while True:
        try:
            return await call()
        except UNREACHABLE as error:
            await outage.wait(error)


class Refused(redis.ConnectionError):
    """Temporary refusal of a command by the right server. The connection is fine."""


class Full(Refused):
    """Refusal because Redis has reached its ``maxmemory``; it still reads and deletes."""


class NotPermitted(Refused):
    """Refusal because of the user's ACL; an operator may change it while processes run."""


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
    "NOPERM": NotPermitted,
    "ACL failure in": NotPermitted,
    "The user executing the script can't": NotPermitted,
    "MISCONF": Refused,
    "NOREPLICAS": Refused,
    "BUSY": Refused,
    "CLUSTERDOWN": Refused,
    "TRYAGAIN": Refused,
}
_LASTING_TLS = ("CERTIFICATE_VERIFY_FAILED", "CERTIFICATE_REQUIRED")
# At the beginning, or after the introduction of a failed script's error ("ERR Error running script …: -READONLY …").
_CODE = re.compile(rf"(?:^(?:ERR )?|\bscript\b.*?[:\s]-?)({'|'.join(_KINDS)})\b")


def as_outage(error: Exception) -> Exception:
    """Return a temporary error as a ``redis.ConnectionError``, and any other error unchanged."""
    if isinstance(error, redis.ConnectionError) or not isinstance(error, redis.RedisError):
        return error
    # redis-py removes known codes from the message.
    code = getattr(error, "status_code", None)
    found = _CODE.search(f"{code} {error}" if code else str(error))
    if found is None:
        return error
    outage = _KINDS[found[1]](f"{code}: {error}" if code == found[1] else str(error))
    outage.__cause__ = error
    return outage


def must_reconnect(answer: object) -> bool:
    """Return whether this reply came from a server that is not the right one or not ready."""
    return isinstance(answer, redis.ConnectionError) and not isinstance(answer, Refused)


def is_cluster_matter(error: Exception) -> bool:
    """Return whether redis-py's cluster client handles the error, by asking another node or the same one later."""
    return isinstance(error, ClusterError | AskError | TryAgainError)


def is_lasting(error: Exception) -> bool:
    """Return whether the error persists until a password, a certificate, a permission or the server is changed."""
    if isinstance(_unwrapped(error), redis.AuthenticationError | AuthorizationError | NotPermitted):
        return True
    # redis-py keeps of an error of TLS only the text.
    return any(code in str(error) for code in _LASTING_TLS)


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
