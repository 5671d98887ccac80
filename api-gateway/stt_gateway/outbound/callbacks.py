"""Sender of callbacks: takes those that are due, posts each signed, and records what became of it."""

import asyncio
import random
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2
import structlog
from prometheus_client import Counter

from stt_gateway.core.outbound.attempts import delay_s, is_delivered, is_unwanted
from stt_gateway.core.outbound.client_urls import UrlRefused
from stt_gateway.core.outbound.signature import signature_headers, tenant_key
from stt_gateway.outbound.busy import BusyTasks
from stt_gateway.outbound.guard import NotReachable, Resolve, guarded_client, resolved
from stt_gateway.settings import GatewaySettings
from stt_shared.contracts.errors import SttError
from stt_shared.redis.outage import REDIS_ERRORS
from stt_shared.streams.bus import Bus
from stt_shared.streams.callbacks import (
    CHECK_SESSION_EVERY_MS,
    LEASE_MS,
    MAX_WAITING,
    Callback,
    CallbackKind,
    CallbackQueue,
    CallbackStatus,
)

_log = structlog.get_logger()

CALLBACKS = Counter("stt_callbacks_total", "Attempts to deliver callbacks, by outcome.", ["outcome"])
for _outcome in ("delivered", "retried", "failed"):
    CALLBACKS.labels(_outcome)

AT_ONCE = 32
AT_ONCE_PER_HOST = 4
"""Callbacks that one gateway sends to one host at a time: a host that does not answer must not hold up the others."""
LOOK_EVERY_S = 0.5
AGAIN_MS = 1000
"""Pause of a callback that was not tried, because its host is busy or the store did not answer."""
RETRY_S = 0.5


class NotEnded(Exception):
    """What a callback is about has not ended."""


@dataclass(frozen=True)
class Told:
    """What is sent, and how."""

    body: bytes
    method: str = "POST"


Tell = Callable[[Callback], Awaitable[Told | None]]
"""Returns what is sent; None if there is nothing to tell any more. Raises NotEnded and SttError."""


async def check_callback(settings: GatewaySettings, queue: CallbackQueue, url: str) -> None:
    """Check a client's ``callback_url``; '' is none. Raises SttError bad_config or at_capacity, and Redis errors."""
    if not url:
        return
    if not settings.callback_keys:
        raise SttError(
            "bad_config", "callback_url is not possible here: CALLBACK_SECRET is not set", param="callback_url"
        )
    try:
        settings.outbound_rules.check(url)
    except UrlRefused as error:
        message = f"callback_url is not allowed; it must be {error}"
        raise SttError("bad_config", message, param="callback_url") from None
    if await queue.waiting() >= MAX_WAITING:
        raise SttError("at_capacity", f"{MAX_WAITING} callbacks wait already; try again later, or without callback_url")


class CallbackSender:
    """Sender of one gateway. ``tell`` returns what a callback tells. ``lease_ms``: see ``CallbackQueue``."""

    def __init__(
        self,
        bus: Bus,
        settings: GatewaySettings,
        tell: Tell,
        *,
        resolve: Resolve = resolved,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._queue = bus.callbacks
        self._settings = settings
        self._tell = tell
        self._lease_ms = lease_ms
        self._client = guarded_client(settings.outbound_rules, httpx2.Timeout(settings.callback_timeout_s), resolve)
        self._sending = BusyTasks(AT_ONCE, AT_ONCE_PER_HOST)

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                try:
                    for callback in await self._queue.claim(self._sending.room, lease_ms=self._lease_ms):
                        await self._begin(callback)
                except REDIS_ERRORS as error:
                    _log.warning("redis failed, retrying", cause=str(error))
                    await asyncio.sleep(RETRY_S)
                await asyncio.sleep(LOOK_EVERY_S)
                await self._sending.wait_for_room()
        finally:
            await self._sending.close()
            await self._client.aclose()

    async def _begin(self, callback: Callback) -> None:
        host = urllib.parse.urlsplit(callback.url).hostname or ""
        if self._sending.may_begin(host):
            self._sending.begin(self._send(callback), host)
        else:
            await self._queue.postpone(callback, AGAIN_MS)

    async def _send(self, callback: Callback) -> None:
        try:
            if callback.attempts > self._settings.callback_attempts:
                # Those who tried it last have died of it, or with it.
                await self._give_up(callback, "it was tried as often as it may be")
                return
            told = Told(callback.body) if callback.body else await self._tell(callback)
            if told is None:
                await self._queue.settle(callback, CallbackStatus.FAILED, "there is nothing to tell any more")
                await self._queue.drop(callback.id)
                return
            if callback.kind is CallbackKind.SESSION and not callback.body:
                await self._queue.keep_body(callback, told.body)
            await self._attempt(callback, told)
        except NotEnded:
            await self._queue.postpone(callback, CHECK_SESSION_EVERY_MS)
        except SttError as error:
            _log.warning("callback postponed: the store does not answer", callback=callback.id, cause=error.message)
            await self._queue.postpone(callback, AGAIN_MS)
        except REDIS_ERRORS as error:
            # It is due again when the lease is over.
            _log.warning("callback not settled: redis failed", callback=callback.id, cause=str(error))
        except Exception:
            # It is due again when the lease is over, and its attempts are counted.
            _log.exception("callback failed", callback=callback.id)

    async def _attempt(self, callback: Callback, told: Told) -> None:
        try:
            status = await self._send_once(callback, told)
        except NotReachable as refusal:
            await self._give_up(callback, str(refusal))
            return
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            # Only the kind: messages of errors may repeat the URL.
            await self._failed(callback, f"no answer ({type(error).__name__})")
            return
        if is_delivered(status):
            CALLBACKS.labels("delivered").inc()
            await self._queue.settle(callback, CallbackStatus.DELIVERED)
        elif is_unwanted(status):
            await self._give_up(callback, f"the receiver answered {status}")
        else:
            await self._failed(callback, f"the receiver answered {status}")

    async def _send_once(self, callback: Callback, told: Told) -> int:
        """Return the status of the answer, whose body is not read."""
        keys = [tenant_key(secret, callback.tenant) for secret in self._settings.callback_keys]
        # Of each attempt its own: receivers refuse what was signed long ago.
        headers = signature_headers(keys, callback.id, int(time.time()), told.body)
        headers["content-type"] = "application/json"
        # The client's own limits are for each read and write, and a receiver may send a byte now and then.
        async with asyncio.timeout(self._settings.callback_timeout_s):
            async with self._client.stream(told.method, callback.url, content=told.body, headers=headers) as response:
                return response.status_code

    async def _failed(self, callback: Callback, error: str) -> None:
        pause_s = delay_s(callback.attempts, self._settings.callback_attempts, random.random)
        if pause_s is None:
            await self._give_up(callback, error)
            return
        CALLBACKS.labels("retried").inc()
        _log.info("callback failed, retrying", callback=callback.id, attempts=callback.attempts, cause=error)
        await self._queue.retry(callback, round(pause_s * 1000), error)

    async def _give_up(self, callback: Callback, error: str) -> None:
        CALLBACKS.labels("failed").inc()
        _log.warning("callback given up", callback=callback.id, attempts=callback.attempts, cause=error)
        await self._queue.settle(callback, CallbackStatus.FAILED, error)
