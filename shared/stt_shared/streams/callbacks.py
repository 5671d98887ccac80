"""Owner of the keys of callbacks: what clients are to be told, until they have been told or it is given up.

A callback is due at a time and is handed out for a while (``LEASE_MS``), so any gateway may die at any moment: another
one sends it again, under the same id.
"""

import contextlib
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stt_shared.contracts.jobs import CallbackView
from stt_shared.contracts.makers import LOCAL_TENANT
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.scripts import script

LEASE_MS = 90_000
"""Time after which a callback that was taken is due again; longer than any attempt."""
CHECK_SESSION_EVERY_MS = 30_000
"""Interval at which a session is looked at whose end nobody has announced."""
MAX_WAITING = 10_000
"""Callbacks that may wait; beyond it, requests that ask for one are refused."""


class CallbackKind(enum.StrEnum):
    """What a callback is about."""

    JOB = "job"
    SESSION = "session"


class CallbackStatus(enum.StrEnum):
    """What has become of a callback."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up


@dataclass(frozen=True)
class Callback:
    """A callback that is due. ``attempts`` counts this one.

    ``of``: id of the job, or qualified id of the session, whose life is ``epoch``. ``ended_ms``: when a job ended.
    ``body``: what is sent, b"" if it is not known yet.
    """

    id: str
    attempts: int
    kind: CallbackKind
    of: str
    epoch: str
    url: str
    tenant: str
    ended_ms: int = 0
    body: bytes = b""


class CallbackQueue:
    """Callbacks of the whole suite. That of a job is put here by the step that ends the job (finish_job.lua)."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._claim = script("claim_due")
        self._settle = script("settle_callback")

    async def waiting(self) -> int:
        """Return the number of callbacks that are neither delivered nor given up."""
        return int(await self._pipeline.command("ZCARD", keys.CALLBACKS_DUE))

    async def watch_session(self, session: str, epoch: str, url: str, tenant: str) -> None:
        """Have ``url`` told when this life of a session ends. May be repeated."""
        id = keys.session_callback_id(epoch)
        fields = ("kind", CallbackKind.SESSION, "of", session, "epoch", epoch, "url", url, "tenant", tenant)
        await self._pipeline.command("HSET", keys.callback(id), *fields, "status", CallbackStatus.PENDING)
        await self._pipeline.command("EXPIRE", keys.callback(id), keys.CALLBACK_TTL_S)
        # The first claim finds that it has not ended, and says when to look again.
        await self._pipeline.command("ZADD", keys.CALLBACKS_DUE, "NX", 0, id)

    async def session_ended(self, epoch: str) -> None:
        """Make a session's callback due, if it has one; without Redis, the regular check does."""
        with contextlib.suppress(*UNREACHABLE):
            await self._pipeline.command("ZADD", keys.CALLBACKS_DUE, "XX", 0, keys.session_callback_id(epoch))

    async def drop(self, id: str) -> None:
        """Forget a callback. May be repeated."""
        await self._pipeline.command("UNLINK", keys.callback(id))

    async def claim(self, most: int, *, lease_ms: int = LEASE_MS) -> list[Callback]:
        """Take up to ``most`` callbacks that are due, for ``lease_ms``."""
        arguments: list[Argument] = [lease_ms, most, keys.callback(""), CallbackStatus.PENDING, "attempts"]
        arguments += ["kind", "of", "epoch", "url", "tenant", "ended_ms", "body"]
        answer: list[list[Any]] = await self._pipeline.call(self._claim, [keys.CALLBACKS_DUE], arguments)
        return [_callback(found) for found in answer]

    async def settle(self, callback: Callback, status: CallbackStatus, error: str = "") -> bool:
        """Record the end of a callback; False when somebody else has taken it meanwhile."""
        return await self._record(callback, status, error=error)

    async def retry(self, callback: Callback, delay_ms: int, error: str) -> bool:
        """Have a callback tried again after ``delay_ms``; False as for ``settle``."""
        return await self._record(callback, CallbackStatus.PENDING, error=error, delay_ms=delay_ms)

    async def postpone(self, callback: Callback, delay_ms: int) -> bool:
        """Give back a callback that was not tried; False as for ``settle``."""
        return await self._record(callback, CallbackStatus.PENDING, delay_ms=delay_ms, is_counted=False)

    async def keep_body(self, callback: Callback, body: bytes) -> bool:
        """Keep what is sent, for later attempts: its source may be gone by then. False as for ``settle``."""
        return await self._record(callback, CallbackStatus.PENDING, delay_ms=None, body=body)

    async def view(self, id: str) -> CallbackView | None:
        """Return what has become of a callback; None if that is not known, or not yet."""
        values: Sequence[bytes | None] = await self._pipeline.command(
            "HMGET", keys.callback(id), "status", "attempts", "error"
        )
        status, attempts, error = (value.decode() if value is not None else "" for value in values)
        return CallbackView(status, int(attempts or 0), error) if status else None

    async def _record(
        self,
        callback: Callback,
        status: CallbackStatus,
        *,
        error: str = "",
        delay_ms: int | None = 0,
        is_counted: bool = True,
        body: bytes = b"",
    ) -> bool:
        arguments: list[Argument] = [
            callback.id,
            callback.attempts,
            status,
            error,
            "" if delay_ms is None else delay_ms,
        ]
        arguments += [keys.CALLBACK_TTL_S, "" if is_counted else "1", body]
        at_keys = [keys.CALLBACKS_DUE, keys.callback(callback.id)]
        return bool(await self._pipeline.call(self._settle, at_keys, arguments))


def _callback(found: Sequence[Any]) -> Callback:
    id, attempts, *fields = found
    kind, of, epoch, url, tenant, ended_ms, body = (field or b"" for field in fields)
    return Callback(
        id.decode(),
        int(attempts),
        CallbackKind(kind.decode()),
        of.decode(),
        epoch.decode(),
        url.decode(),
        tenant.decode() or LOCAL_TENANT,
        int(ended_ms or 0),
        body,
    )
