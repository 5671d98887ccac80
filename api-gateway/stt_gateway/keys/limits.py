"""What clients do with each key, counted for all gateways together in Redis, within the key's quotas."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from stt_gateway.core.operation.allowance import MINUTE_S, Allowance, minute_of, used_up
from stt_gateway.core.requests.principal import Principal
from stt_gateway.core.requests.quotas import Quotas
from stt_gateway.core.requests.usage import day_of
from stt_gateway.keys.places import Places
from stt_gateway.keys.usage import UsageRecorder
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.fetches import Fetch
from stt_shared.streams.quotas import Counter, QuotaCounters, Spent

_log = structlog.get_logger()

STREAMS_RETRY_S = 5.0
"""When to try again for a place among a key's streams: nobody knows when the client ends one of its own."""
ANSWER_WITHIN_S = 2.0
"""Time that a request waits to be counted. What needs only the database goes on while Redis is away."""
AWAY_MS = 2000.0
"""Time for which requests are not counted after one could not be."""


class KeyLimits:
    """Counts of keys, each held against the key's quotas, else against ``defaults``. Who has no key is not counted.

    Calls raise Redis errors, except ``count_request``.
    """

    def __init__(self, counters: QuotaCounters, defaults: Quotas, recorder: UsageRecorder, places: Places) -> None:
        self._counters = counters
        self._defaults = defaults
        self._recorder = recorder
        self._away_until_ms = 0.0
        self._places = places

    async def count_request(self, principal: Principal) -> Allowance | None:
        """Count a request or handshake, unless it is one too many; return what is left.

        Return None without a quota, and for one that is not counted.
        """
        if not principal.key_id or monotonic_ms() < self._away_until_ms:
            return None
        limit, now_ms = self.quotas(principal).requests_per_minute or 0, wall_ms()
        at = keys.requests_counted(principal.key_id, minute_of(now_ms))
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                spent = await self._spend(principal.key_id, Counter(at, "requests", 1, limit, 2 * MINUTE_S), requests=1)
        except (TimeoutError, *UNREACHABLE) as error:
            self._away_until_ms = monotonic_ms() + AWAY_MS
            _log.warning("requests not counted: redis unavailable", cause=str(error))
            return None
        return Allowance.at(now_ms, limit, spent.held[0], is_refused=spent.refused is not None) if limit else None

    async def check_audio(self, principal: Principal) -> None:
        """Raise SttError quota_exceeded if the key has no audio left today."""
        if await self.charge_audio(principal, 0, 0):
            raise used_up("audio_seconds_per_day", wall_ms())

    async def charge_audio(self, principal: Principal, audio_ms: int, speech_ms: int) -> bool:
        """Charge audio that was heard, and how much of it was speech; return whether the key has none left today."""
        limit_s = self.quotas(principal).audio_seconds_per_day or 0
        if not principal.key_id or not (limit_s or audio_ms or speech_ms):
            return False
        spent = await self._spend(principal.key_id, audio_ms=audio_ms, speech_ms=speech_ms)
        return bool(limit_s) and spent.held[0] >= limit_s * 1000

    async def check_upload(self, principal: Principal) -> None:
        """Raise SttError quota_exceeded if the key has no audio or no bytes of files left today."""
        await self.check_audio(principal)
        limit = self.quotas(principal).upload_bytes_per_day
        if principal.key_id and limit and (await self._spend(principal.key_id, upload_bytes=0)).held[0] >= limit:
            raise used_up("upload_bytes_per_day", wall_ms())

    def upload_bytes_per_day(self, principal: Principal) -> int:
        """Return the bytes of files that the principal may send in a day, 0 for no limit."""
        return self.quotas(principal).upload_bytes_per_day or 0 if principal.key_id else 0

    async def count_upload(self, principal: Principal, files: int, size_bytes: int) -> None:
        """Count uploaded files. Raises SttError quota_exceeded if they are more than the key has left today."""
        if not principal.key_id:
            return
        limit, now_ms = self.quotas(principal).upload_bytes_per_day or 0, wall_ms()
        at = keys.counted_on_day(principal.key_id, day_of(now_ms))
        upload = Counter(at, "upload_bytes", size_bytes, limit, keys.USAGE_TTL_S)
        if (await self._spend(principal.key_id, upload, files=files)).refused:
            raise used_up("upload_bytes_per_day", now_ms)

    async def count_fetched(self, fetch: Fetch, size_bytes: int) -> None:
        """Count a file that a URL has led to, as ``count_upload`` does."""
        maker, quotas = fetch.config.maker, Quotas(upload_bytes_per_day=fetch.order.upload_bytes_per_day)
        await self.count_upload(Principal(maker.tenant, maker.key_id, "", frozenset(), quotas=quotas), 1, size_bytes)

    @contextlib.asynccontextmanager
    async def place(self, principal: Principal, stream: str | None) -> AsyncIterator[None]:
        """Hold a place among the key's open streams in this context.

        ``stream``: its name, if a connection that resumes it shall have the same place. Raises SttError rate_limited
        when all places are taken.
        """
        if not principal.key_id:
            yield
            return
        limit = self.quotas(principal).streams
        message = f"at most {limit} streams may be open with this key at a time; close one"
        refusal = SttError("rate_limited", message, retry_after_s=STREAMS_RETRY_S)
        at = keys.open_streams(principal.key_id)
        async with self._places.held(at, stream, limit, refusal) if limit else contextlib.nullcontext():
            # A stream may be needed while Redis is away, and is counted no more than once.
            with contextlib.suppress(*UNREACHABLE):
                await self._spend(principal.key_id, streams=1)
            yield

    def quotas(self, principal: Principal) -> Quotas:
        """Return the quotas of a key, those of the server where it has none."""
        return principal.quotas.over(self._defaults)

    async def _spend(self, key_id: str, *limited: Counter, **amounts: int) -> Spent:
        """Add to counters that have a limit, and to those of the day by their names, which have none."""
        day = day_of(wall_ms())
        await self._recorder.note(key_id, day)
        at = keys.counted_on_day(key_id, day)
        counted = [Counter(at, name, amount, 0, keys.USAGE_TTL_S) for name, amount in amounts.items()]
        return await self._counters.spend([*limited, *counted])
