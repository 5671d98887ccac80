"""The check that decides whether a client may use the gateway: one for HTTP requests and WebSockets alike.

It runs before a route reads a body, parses a parameter or touches any state. By default it allows everything.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection

Authorize = Callable[[HTTPConnection], Awaitable[None]]
"""Returns if the client may continue; raises SttError otherwise. Headers, cookies, address and query are in the
connection; its body has not been read."""


async def allow_all(_: HTTPConnection) -> None:
    """Allow every client."""
