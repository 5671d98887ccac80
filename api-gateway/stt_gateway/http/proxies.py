"""Requests as clients sent them, where a proxy in front has changed address or path."""

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stt_gateway.core.requests.proxies import TrustedProxies


def peer_of(scope: Scope) -> str:
    """Return the network address that the connection comes from, '' if unknown."""
    client = scope.get("client")
    return client[0] if client else ""


class ProxyMiddleware:
    """Middleware that sets a request's client and the path below which the gateway is served.

    A proxy may remove that path from requests or leave it there: both is understood. ``root_path`` is the path that
    holds unless a trusted proxy names another.
    """

    def __init__(self, app: ASGIApp, proxies: TrustedProxies, root_path: str) -> None:
        self._app = app
        self._proxies = proxies
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the client's address, and the path as ASGI wants it: with its prefix."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        values_of, peer = Headers(scope=scope).getlist, peer_of(scope)
        prefix = self._proxies.prefix(peer, values_of) or self._root_path
        path = scope["path"]
        if prefix and path == prefix and scope["type"] == "http":
            # The page's own addresses are relative, and need the slash.
            await RedirectResponse(f"{prefix.rpartition('/')[2]}/")(scope, receive, send)
            return
        if prefix and not path.startswith(f"{prefix}/"):
            path = prefix + path
        client = self._proxies.client(peer, values_of)
        await self._app(
            {
                **scope,
                "client": (client, 0) if client != peer else scope.get("client"),
                "root_path": prefix,
                "path": path,
            },
            receive,
            send,
        )
