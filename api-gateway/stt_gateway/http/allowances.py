"""Headers that tell clients what is left of their key's requests."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_gateway.core.operation.allowance import Allowance

ALLOWANCE_HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


class AllowanceMiddleware:
    """Middleware that adds ``ALLOWANCE_HEADERS`` to each response to a request that was counted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the headers of the response."""

        async def send_with_headers(message: Message) -> None:
            allowance: Allowance | None = scope.get("state", {}).get("allowance")
            if message["type"] == "http.response.start" and allowance is not None:
                MutableHeaders(scope=message).update(allowance.headers)
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
