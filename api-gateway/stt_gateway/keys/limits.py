"""What clients do with each key, counted for all gateways together in Redis, within the key's quotas."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import structlog

from stt_gateway.core.operation.allowance import MINUTE_S, Allowance, minute_of
from stt_gateway.core.requests.principal import Principal
from stt_gateway.core.requests.quotas import Quotas
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.quotas import LEASE_MS, Counter, QuotaCounters

_log = structlog.get_logger()

RENEW_EVERY_S = LEASE_MS / 4000
STREAMS_RETRY_S = 5.0
"""When to try again for a place among a key's streams: nobody knows when the client ends one of its own."""
ANSWER_WITHIN_S = 2.0
"""Time that a request waits to be counted. What needs only the database goes on while Redis is away."""
AWAY_MS = 2000.0
"""Time for which requests are not counted after one could not be."""
_REQUESTS = "requests"


class KeyLimits:
    """Counts of keys, each held against the key's quotas, else against ``defaults``. Who has no key is not counted."""

    def __init__(self, counters: QuotaCounters, defaults: Quotas) -> None:
        self._counters = counters
        self._defaults = defaults
        self._away_until_ms = 0.0
        self._places: dict[str, dict[str, str]] = {}  # key id -> connection -> stream

    async def count_request(self, principal: Principal) -> Allowance | None:
        """Count a request or handshake, unless it is one too many; return what is left.

        Return None for one that is not counted.
        """
        limit = principal.quotas.over(self._defaults).requests_per_minute
        if not (principal.key_id and limit) or monotonic_ms() < self._away_until_ms:
            return None
        now_ms = wall_ms()
        at = keys.requests_counted(principal.key_id, minute_of(now_ms))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                spent = await self._counters.spend([Counter(at, _REQUESTS, 1, limit, 2 * MINUTE_S)])
        except (TimeoutError, *UNREACHABLE) as error:
            self._away_until_ms = monotonic_ms() + AWAY_MS
            _log.warning("requests not counted: redis unavailable", cause=str(error))
            return None
        return Allowance.at(now_ms, limit, spent.held[0], is_refused=spent.refused is not None)

    @contextlib.asynccontextmanager
    async def place(self, principal: Principal, stream: str | None) -> AsyncIterator[None]:
        """Hold a place among the key's open streams in this context.

        ``stream``: its name, if a connection that resumes it shall have the same place. Raises
        SttError rate_limited when all places are taken, and Redis errors.
        """
        limit = principal.quotas.over(self._defaults).streams
        key_id, connection = principal.key_id, uuid.uuid4().hex
        stream = stream or connection
        if not (key_id and limit):
            yield
            return
        if not await self._counters.take_place(key_id, connection, stream, limit):
            message = f"at most {limit} streams may be open with this key at a time; close one"
            raise SttError("rate_limited", message, retry_after_s=STREAMS_RETRY_S)
        held = self._places.setdefault(key_id, {})
        held[connection] = stream
        try:
            yield
        finally:
            del held[connection]
            if not held:
                self._places.pop(key_id, None)
            # One that cannot be given back is free when its lease is over.
            with contextlib.suppress(*UNREACHABLE):
                await self._counters.leave_place(key_id, connection)

    async def run(self) -> None:
        """Renew the places of this gateway until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            for key_id, streams in list(self._places.items()):
                try:
                    await self._counters.renew_places(key_id, dict(streams))
                except UNREACHABLE as error:
                    _log.warning("places of streams not renewed: redis unavailable", cause=str(error))
                    break
