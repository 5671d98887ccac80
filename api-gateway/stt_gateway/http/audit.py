"""Audit log: who deleted or administered what, and when. It holds ids, never texts, titles or names of files."""

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stt_gateway.authorize import declared_scopes
from stt_gateway.core.operation.token_bucket import TokenBucket
from stt_gateway.core.requests.access import SAFE_METHODS
from stt_gateway.core.requests.principal import Principal
from stt_gateway.core.requests.principal import Scope as Right
from stt_gateway.http.proxies import peer_of
from stt_shared.contracts.events import iso_timestamp
from stt_shared.process.clock import wall_ms
from stt_shared.process.logging import unfiltered_logger

_log = structlog.get_logger()

AUDITED = frozenset({Right.DELETE, Right.ADMIN, Right.SPEAKERS})
"""Rights whose use is recorded, unless the request changes nothing."""
REFUSED_PER_S = 1.0
REFUSED_AT_ONCE = 50
"""Refused requests that are recorded; others are only counted, so that nobody can fill the log with them."""


class AuditTrail:
    """Writer of the audit log: to the log of the service, at any level, and to ``file`` if there is one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._log = unfiltered_logger()
        self._refused = TokenBucket(REFUSED_PER_S, REFUSED_AT_ONCE)
        self._omitted = 0

    def record(self, action: str, status: int, **what: Any) -> None:
        """Record what somebody did, or tried to do; ``status``: of the answer."""
        if status in (401, 403, 429) and not self._refused.take(time.monotonic()):
            self._omitted += 1
            return
        entry: dict[str, Any] = {"channel": "audit", "action": action, "status": status, **what}
        if self._omitted:
            entry["refused_besides"], self._omitted = self._omitted, 0
        self._log.info("audit", **entry)
        if self._file is not None:
            self._append(self._file, {"timestamp": iso_timestamp(wall_ms()), **entry})

    def _append(self, file: Path, entry: dict[str, Any]) -> None:
        """Add a line. It is opened each time, since the operator's tools may have moved the file away."""
        try:
            # One write, which does not mix with those of other gateways.
            number = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(number, msgspec.json.encode(entry) + b"\n")
            finally:
                os.close(number)
        except OSError as error:
            _log.error("audit not written", file=str(file), cause=str(error))


class AuditMiddleware:
    """Middleware that records each request that uses one of the ``AUDITED`` rights."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail

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
        principal: Principal | None = scope.get("state", {}).get("principal")
        self._trail.record(
            endpoint.__name__,
            status,
            target=dict(scope.get("path_params", {})),
            tenant=principal.tenant if principal else "",
            key_id=principal.key_id if principal else "",
            client=peer_of(scope),
        )
