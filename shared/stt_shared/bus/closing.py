"""Connections whose every failure is an error of redis-py.

uvloop answers a write to a socket that the other side has reset with RuntimeError, where asyncio's own loop raises
OSError; redis-py takes that for a mistake in the program, and neither tries again nor calls it a lost connection.
"""

from typing import Any

import redis
from redis.asyncio import Redis


class _ToldOfClosing:
    """Goes before one of redis-py's connection classes."""

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise redis.ConnectionError(f"the connection was closed: {error}") from error


def told_of_closing(connection_class: type) -> type:
    """The same kind of connection, which does so."""
    return type(connection_class.__name__, (_ToldOfClosing, connection_class), {})


def tell_of_closing(client: Redis) -> Redis:
    """The same client, all of whose connections do so. Call it before the first one is made."""
    pool = client.connection_pool
    pool.connection_class = told_of_closing(pool.connection_class)
    return client
