"""The check that decides whether a client may use the gateway: one for HTTP requests and WebSockets alike.

It runs before a route reads a body, parses a parameter or touches any state. By default it allows everything.
"""

from collections.abc import Collection
from typing import Protocol

from starlette.requests import HTTPConnection


class Authorize(Protocol):
    """Check of one request or WebSocket."""

    @property
    def parameters(self) -> Collection[str]:
        """Query parameters that the check reads, such as a token; routes do not see them."""

    async def __call__(self, connection: HTTPConnection) -> None:
        """Return if the client may continue. Raises SttError otherwise.

        Headers, cookies, address and query are in the connection; its body has not been read.
        """


class AllowAll:
    """The default: every client may continue."""

    parameters: Collection[str] = ()

    async def __call__(self, connection: HTTPConnection) -> None:
        """Return."""
