"""Connections that raise redis.ConnectionError for every failure and for every temporary error of Redis.

uvloop raises RuntimeError for a write to a socket that the other side has reset, where asyncio's own loop raises
OSError; redis-py treats that as a programming error, and neither retries nor reports a lost connection.
"""

from typing import Any

import redis
from redis.asyncio import Redis

from stt_shared.redis.outage import as_outage, is_cluster_matter


class _ConnectionErrors:
    """Mixin that precedes one of redis-py's connection classes."""

    _of_cluster = False

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise redis.ConnectionError(f"the connection was closed: {error}") from error

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)  # type: ignore[misc]
        except redis.ResponseError as error:
            if self._of_cluster and is_cluster_matter(error):
                raise
            raise as_outage(error) from error.__cause__


def with_connection_errors(connection_class: type, *, of_cluster: bool = False) -> type:
    """Return a subclass of a connection class that raises redis.ConnectionError for these failures.

    ``of_cluster``: for redis-py's cluster client; the errors that it handles itself are then unchanged.
    """
    return type(connection_class.__name__, (_ConnectionErrors, connection_class), {"_of_cluster": of_cluster})


def fix_connection_errors(client: Redis) -> Redis:
    """Make all connections of a client raise redis.ConnectionError, and return the client.

    Call it before the first connection is made.
    """
    pool = client.connection_pool
    pool.connection_class = with_connection_errors(pool.connection_class)
    return client
