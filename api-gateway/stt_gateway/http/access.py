"""First check of every request and WebSocket handshake: whether a browser may send it here."""

import socket

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from stt_gateway.core.requests.access import SAFE_METHODS, AccessRules, access_rules
from stt_gateway.core.requests.proxies import TrustedProxies
from stt_gateway.http.errors import error_response, refusal_of
from stt_gateway.http.proxies import peer_of
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

MAX_LOGGED = 100
"""Number of distinct refusals that are logged, each once: a browser does not show why a WebSocket was refused."""


class AccessMiddleware:
    """Middleware that refuses requests with a forbidden Host or Origin header.

    It does so before a body is read or a WebSocket is accepted.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules, proxies: TrustedProxies) -> None:
        self._app = app
        self._rules = rules
        self._proxies = proxies
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the error."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        has_effects = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        try:
            self._rules.check(
                headers.getlist("host"),
                headers.getlist("origin"),
                has_effects=has_effects,
                forwarded_hosts=self._proxies.hosts(peer_of(scope), headers.getlist),
            )
        except SttError as error:
            self._log(error)
            # Starlette answers a handshake with a response through the extension "websocket.http.response".
            await error_response(scope["path"], refusal_of(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _log(self, error: SttError) -> None:
        if error.message not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(error.message)
            _log.warning("request refused", code=error.code, reason=error.message)


def rules_of(settings: GatewaySettings) -> AccessRules:
    """Return the access rules of these settings on this machine."""
    name = socket.gethostname()
    short = name.partition(".")[0]
    return access_rules(
        settings.address, [name, short, f"{short}.local"], settings.allowed_hosts, settings.allowed_origins
    )
