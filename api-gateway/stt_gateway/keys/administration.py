"""What admins and tokens do with keys at a gateway."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from stt_gateway.core.requests.access_token import Claims, write_token
from stt_gateway.core.requests.api_key import ApiKey, WrittenKey
from stt_gateway.core.requests.invitation import InvitationClaims, write_invitation
from stt_gateway.core.requests.key_request import InvitationRequest, KeyRequest, TokenRequest, sorted_scopes
from stt_gateway.core.requests.principal import Principal
from stt_gateway.keys.making import create_key, revoke_key, rotate_key
from stt_gateway.keys.watch import KeyWatch
from stt_gateway.store.api_keys import KeyStore
from stt_shared.process.clock import wall_ms

_log = structlog.get_logger()


@dataclass(frozen=True)
class KeyAdministration:
    """Keys of the admin's own tenant. All calls raise SttError unavailable, those with an id also not_found."""

    store: KeyStore
    watch: KeyWatch
    token_secret: bytes

    async def all_of(self, admin: Principal) -> Sequence[ApiKey]:
        """Return the tenant's keys, oldest first."""
        return await self.store.all_of(admin.tenant)

    async def create(self, admin: Principal, wanted: KeyRequest) -> tuple[WrittenKey, ApiKey]:
        """Make a key."""
        written, key = await create_key(self.store, wanted, admin.tenant, wall_ms())
        _log.info("key created", key_id=key.id, by=admin.key_id)
        return written, key

    async def revoke(self, admin: Principal, id: str) -> None:
        """Revoke a key, and end what is open with it."""
        await revoke_key(self.store, id, admin.tenant, wall_ms())
        _log.info("key revoked", key_id=id, by=admin.key_id)
        await self.watch.announce(id)

    async def rotate(self, admin: Principal, id: str, overlap_s: float) -> tuple[WrittenKey, ApiKey]:
        """Give a key another secret; what is open with the one before ends, unless there is an overlap."""
        written, key = await rotate_key(self.store, id, admin.tenant, wall_ms(), overlap_s)
        _log.info("key rotated", key_id=id, by=admin.key_id)
        await self.watch.announce(id)
        return written, key

    def token(self, maker: Principal, wanted: TokenRequest) -> tuple[str, Claims]:
        """Make an access token."""
        now_ms = int(wall_ms())
        expires_ms = int(now_ms + wanted.expires_s * 1000)
        claims = Claims(maker.key_id, sorted_scopes(wanted.scopes), now_ms, expires_ms, wanted.origin)
        return write_token(claims, self.token_secret), claims

    def invitation(self, maker: Principal, wanted: InvitationRequest) -> tuple[str, InvitationClaims]:
        """Make an invitation to a conversation."""
        now_ms = int(wall_ms())
        expires_ms = int(now_ms + wanted.expires_s * 1000)
        claims = InvitationClaims(maker.key_id, wanted.conversation_id, wanted.speak, now_ms, expires_ms)
        _log.info("invitation made", key_id=maker.key_id, speak=wanted.speak, expires_ms=expires_ms)
        return write_invitation(claims, self.token_secret), claims
