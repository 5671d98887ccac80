"""Ends what is open with a key that was revoked, has expired or has another secret, on every gateway within seconds."""

import asyncio

import structlog

from stt_gateway.keys.holders import KeyHolders
from stt_gateway.keys.ring import KeyRing
from stt_gateway.keys.uses import KeyUses
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus

_log = structlog.get_logger()

CHECK_EVERY_S = 5.0
"""Interval at which the keys in use are read again: an announcement may be lost, and the command `stt keys` and the
clock announce nothing."""


class KeyWatch:
    """Watch on the keys in use at this gateway."""

    def __init__(self, bus: Bus, store: KeyStore, ring: KeyRing, holders: KeyHolders, uses: KeyUses) -> None:
        self._bus = bus
        self._store = store
        self._ring = ring
        self._holders = holders
        self._uses = uses

    async def announce(self, id: str) -> None:
        """Tell all gateways that a key has changed; one that does not hear of it finds out in CHECK_EVERY_S."""
        self._ring.forget(id)
        try:
            await self._bus.channels.publish(keys.API_KEYS_CHANGED, id.encode())
        except UNREACHABLE as error:
            _log.warning("change of a key not announced: redis unavailable", key_id=id, cause=str(error))

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        async with self._bus.channels.listen(keys.API_KEYS_CHANGED) as inbox:
            next_s = loop.time() + CHECK_EVERY_S
            while True:
                changed = await inbox.get(max(0.0, next_s - loop.time()))
                if changed is not None:
                    self._ring.forget(changed.decode(errors="replace"))
                    await self._check([changed.decode(errors="replace")])
                if loop.time() >= next_s:
                    next_s = loop.time() + CHECK_EVERY_S
                    await self._check(self._holders.key_ids)
                    await self._uses.record(self._store)

    async def _check(self, ids: list[str]) -> None:
        used = set(self._holders.key_ids)
        try:
            found = await self._ring.refresh([id for id in ids if id in used])
        except SttError as error:
            # Whoever could reach only the store could otherwise end everything by stopping it.
            _log.warning("keys in use not checked", cause=error.message)
            return
        for id in ids:
            if id in used:
                self._holders.check(id, found.get(id))
