"""Requests that stay open for long: uploads while they come, and clients that wait for a job or watch it.

They are counted, so that they never take all connections of a gateway, and no client takes all that there may be.
"""

import contextlib
from collections.abc import AsyncIterator

from fastapi import Request

from stt_gateway.authorize import principal_of
from stt_gateway.context import context_of
from stt_gateway.core.requests.addresses import client_network
from stt_gateway.settings import GatewaySettings

PERCENT = 50
"""Percent of a gateway's HTTP connections that such requests may have."""


def most_held(settings: GatewaySettings, open_files: int) -> int:
    """Return how many such requests one gateway holds open."""
    return max(1, PERCENT * http_connections(settings, open_files) // 100)


def http_connections(settings: GatewaySettings, open_files: int) -> int:
    """Return how many HTTP connections one gateway has. ``open_files``: that its process may have open."""
    return min(settings.max_http_connections, max(1, open_files // 3))


@contextlib.asynccontextmanager
async def held_open(request: Request, *, waits: bool) -> AsyncIterator[None]:
    """Count a request that stays open in this context. ``waits``: for a job, so it is a stream of its key too.

    Raises SttError at_capacity, rate_limited when the key has as many streams as it may, and Redis errors.
    """
    context, principal = context_of(request), principal_of(request)
    with context.held_requests.counted(counted_client(request)):
        async with context.limits.place(principal, None) if waits else contextlib.nullcontext():
            yield


def counted_client(request: Request) -> str:
    """Return the client as limits count it: a key, else a network address."""
    key_id = principal_of(request).key_id
    return key_id or client_network(request.client.host if request.client else "")
