"""Redirect from an address with a superfluous slash at its end, such as ``/docs/``, to the one without."""

from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send


class SlashRedirect:
    """Default of a router whose own redirects are switched off.

    Those repeat the Host header and the path as this server sees them, which a proxy in front may have changed. This
    one is relative to the address that the client requested.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._not_found = router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect, or answer as the router does by default if there is no such address either."""
        path = scope["path"]
        if scope["type"] != "http" or not path.endswith("/") or not self._exists({**scope, "path": path[:-1]}):
            await self._not_found(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        address = "../" + quote(path[:-1].rpartition("/")[2]) + (f"?{query}" if query else "")
        await RedirectResponse(address)(scope, receive, send)

    def _exists(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._router.routes)
