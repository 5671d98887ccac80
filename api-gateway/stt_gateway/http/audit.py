"""Audit of requests: each that deletes or administers something is recorded, with its answer."""

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_gateway.authorize import declared_scopes
from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_gateway.core.requests.access import SAFE_METHODS
from stt_gateway.core.requests.principal import Principal
from stt_gateway.core.requests.principal import Scope as Right
from stt_gateway.http.proxies import peer_of
from stt_shared.process.audit import AuditTrail

AUDITED = frozenset({Right.DELETE, Right.ADMIN, Right.SPEAKERS})
"""Rights whose use is recorded, unless the request changes nothing."""
REFUSED_PER_S = 1.0
REFUSED_AT_ONCE = 50
"""Refused requests that are recorded; others are only counted, so that nobody can fill the log with them."""


class AuditMiddleware:
    """Middleware that records each request that uses one of the ``AUDITED`` rights."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail
        self._refused = TokenBucket(REFUSED_PER_S, REFUSED_AT_ONCE)
        self._omitted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and record it once it has its answer."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._record(scope, status)

    def _record(self, scope: Scope, status: int) -> None:
        endpoint = scope.get("endpoint")
        # Without one the path led nowhere.
        if endpoint is None or AUDITED.isdisjoint(declared_scopes(endpoint)):
            return
        if status in (401, 403, 429) and not self._refused.take(time.monotonic()):
            self._omitted += 1
            return
        besides: dict[str, Any] = {"refused_besides": self._omitted} if self._omitted else {}
        self._omitted = 0
        principal: Principal | None = scope.get("state", {}).get("principal")
        self._trail.record(
            endpoint.__name__,
            status=status,
            target=dict(scope.get("path_params", {})),
            tenant=principal.tenant if principal else "",
            key_id=principal.key_id if principal else "",
            client=peer_of(scope),
            **besides,
        )
