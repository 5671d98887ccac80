"""Audio of live sessions and files, charged to the keys with which it came: each second of it once."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from stt_gateway.core.requests.principal import Principal
from stt_gateway.keys.limits import KeyLimits
from stt_shared.contracts.session import AUDIO_RATE_HZ, ChannelMode, SessionConfig
from stt_shared.process.clock import monotonic_ms
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.ownership import Ownership

_log = structlog.get_logger()

Paid = TypeVar("Paid")

CHARGE_EVERY_MS = 5000.0
SETTLE_AFTER_S = (0.0, 5.0, 30.0)
"""When a session is charged after its connection has ended: a container's audio is known once it is decoded, and the
speech in it once it has its finals."""


class Accounts:
    """Accounts of sessions and jobs at this gateway."""

    def __init__(self, bus: Bus, limits: KeyLimits) -> None:
        self._bus = bus
        self._limits = limits
        self._charging: set[asyncio.Task[Any]] = set()

    def of(self, principal: Principal, owner: Ownership, config: SessionConfig) -> "SessionAccount":
        """Return the account of a live session while a connection has it."""
        return SessionAccount(self, self._bus, self._limits, principal, owner, config)

    def settle(self, account: "SessionAccount", received_s: float) -> None:
        """Charge the rest of a session whose connection has ended, soon."""
        self.start(_settle(account, received_s))

    def start(self, charging: Coroutine[Any, Any, Paid]) -> "asyncio.Task[Paid]":
        """Begin to charge: once audio has been noted as charged, nothing may stop it on its way to the key."""
        task = asyncio.create_task(charging, name="charge")
        self._charging.add(task)
        task.add_done_callback(self._charging.discard)
        return task

    async def charge_job(self, job_id: str, state: JobState) -> None:
        """Charge a job that has ended, however it has. May be repeated. Raises Redis errors."""
        maker = state.config.maker
        if not maker.key_id or not await self._bus.jobs.charge(job_id):
            return
        result = state.result
        audio_s = result.duration if result is not None else state.total_samples / AUDIO_RATE_HZ
        speech_s = sum(segment.end - segment.start for segment in result.segments) if result is not None else 0.0
        payer = Principal(maker.tenant, maker.key_id, "", frozenset())
        await self._limits.charge_audio(payer, round(audio_s * 1000), round(speech_s * 1000))


class SessionAccount:
    """Account of one live session. Channels that are kept apart cost as much as sessions of their own."""

    def __init__(
        self,
        accounts: Accounts,
        bus: Bus,
        limits: KeyLimits,
        principal: Principal,
        owner: Ownership,
        config: SessionConfig,
    ) -> None:
        self._accounts = accounts
        self._bus = bus
        self._limits = limits
        self._principal = principal
        self._owner = owner
        self._channels = config.channels if config.channel_mode is ChannelMode.SEPARATE else 1
        self._next_ms = monotonic_ms() + CHARGE_EVERY_MS

    async def charge_if_due(self, received_s: float) -> bool:
        """Charge what came since the last time, every CHARGE_EVERY_MS; return whether no audio is left to the key.

        ``received_s``: bare samples of this session so far, in seconds. Raises Redis errors.
        """
        if not self._principal.key_id or monotonic_ms() < self._next_ms:
            return False
        self._next_ms = monotonic_ms() + CHARGE_EVERY_MS
        return await self.charge(received_s)

    async def charge(self, received_s: float) -> bool:
        """Charge at once, otherwise as ``charge_if_due`` does."""
        return bool(self._principal.key_id) and await asyncio.shield(self._accounts.start(self._charge(received_s)))

    async def _charge(self, received_s: float) -> bool:
        samples, speech_ms = await self._bus.sessions.charge(self._owner, round(received_s * AUDIO_RATE_HZ))
        if not (samples or speech_ms):
            return False
        audio_ms = round(samples * 1000 / AUDIO_RATE_HZ) * self._channels
        return await self._limits.charge_audio(self._principal, audio_ms, speech_ms)


async def _settle(account: SessionAccount, received_s: float) -> None:
    for pause_s in SETTLE_AFTER_S:
        await asyncio.sleep(pause_s)
        try:
            await account.charge(received_s)
        except UNREACHABLE as error:
            _log.warning("session not charged: redis unavailable", cause=str(error))
