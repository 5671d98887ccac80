"""What is open with each key at this gateway, so that it ends with the key."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog

from stt_gateway.core.requests.api_key import ApiKey
from stt_gateway.core.requests.invitation import expired_invitation
from stt_gateway.core.requests.principal import Principal, SignInExpired
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

_log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class _Holder:
    opened_ms: float
    invited: bool
    end: Callable[[SttError], None]


class KeyHolders:
    """Live connections and event streams, by the key with which they were opened."""

    def __init__(self) -> None:
        self._holders: dict[str, set[_Holder]] = {}

    @property
    def key_ids(self) -> list[str]:
        """Keys with which something is open."""
        return list(self._holders)

    @contextlib.contextmanager
    def held(self, principal: Principal, end: Callable[[SttError], None]) -> Iterator[None]:
        """Hold the principal's key in this context; ``end`` is called when the key, or the invitation by which the
        principal came, ends before that."""
        holder = _Holder(wall_ms(), principal.invited is not None, end)
        holders = self._holders.setdefault(principal.key_id, set()) if principal.key_id else set()
        holders.add(holder)
        expiry = None
        if principal.invited is not None:
            left_s = max(0.0, principal.invited.expires_ms - wall_ms()) / 1000
            expiry = asyncio.get_running_loop().call_later(left_s, end, expired_invitation())
        try:
            yield
        finally:
            if expiry is not None:
                expiry.cancel()
            holders.discard(holder)
            if not holders and self._holders.get(principal.key_id) is holders:
                del self._holders[principal.key_id]

    def check(self, id: str, key: ApiKey | None) -> None:
        """End what is open with a key that does not allow it any more; None: the key is gone."""
        for holder in list(self._holders.get(id, ())):
            if key is None:
                why: str | None = "the key is gone"
            else:
                why = key.ended_since(holder.opened_ms, wall_ms(), invited=holder.invited)
            if why is not None:
                self._holders[id].discard(holder)
                _log.info("connection ended with its key", key_id=id, cause=why)
                is_only_expired = key is not None and key.is_person and key.revoked_ms is None
                holder.end(SignInExpired() if is_only_expired else SttError("unauthorized", why))
