"""HEAD on every route that has GET: the same status and headers, without the body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadMiddleware:
    """Middleware that answers HEAD as its app answers GET, and drops the body.

    Health checks, load balancers and ``wget --spider`` ask so, and take 405 for a service that is down.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, HEAD as GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                raise _Answered

        try:
            await self._app({**scope, "method": "GET"}, receive, send_head)
        except _Answered:
            return


class _Answered(Exception):
    """End of a streamed response whose rest nobody reads: it may go on for hours."""
