"""The check with keys (AUTH=keys, and oidc): who has sent this credential."""

import dataclasses
from collections.abc import Awaitable, Callable, Collection

from starlette.requests import HTTPConnection

from stt_gateway.core.requests.access_token import is_token, read_token
from stt_gateway.core.requests.addresses import client_network
from stt_gateway.core.requests.api_key import ApiKey, parse_key
from stt_gateway.core.requests.credential import PARAMETERS, credential_of
from stt_gateway.core.requests.invitation import is_invitation, read_invitation
from stt_gateway.core.requests.people import is_jwt
from stt_gateway.core.requests.principal import Invited, Principal, Scope
from stt_gateway.keys.failures import FailureLimit
from stt_gateway.keys.ring import KeyRing
from stt_gateway.keys.uses import KeyUses
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

ByJwt = Callable[[str], Awaitable[Principal]]
"""Returns whose JWT this is. Raises SttError."""


class KeyCheck:
    """``Authorize`` with the keys of a ring. ``token_secret`` signs access tokens and invitations.

    ``by_jwt`` (AUTH=oidc): knows the people who sign in; None: no JWT is accepted.
    """

    parameters: Collection[str] = PARAMETERS

    def __init__(
        self,
        ring: KeyRing,
        uses: KeyUses,
        failures: FailureLimit,
        token_secret: bytes,
        *,
        keys_in_query: bool,
        by_jwt: ByJwt | None = None,
    ) -> None:
        self.ring = ring
        self.uses = uses
        self.token_secret = token_secret
        self._failures = failures
        self._keys_in_query = keys_in_query
        self._jwt_principal = by_jwt

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return whose key or token the request has. Raises SttError unauthorized, rate_limited or unavailable."""
        headers = connection.headers
        credential = credential_of(
            headers.getlist("authorization"),
            headers.getlist("x-api-key"),
            connection.scope.get("subprotocols", ()),
            connection.query_params.multi_items(),
            keys_in_query=self._keys_in_query,
        )
        if not credential:
            raise SttError("unauthorized", "a key is needed: send it as Authorization: Bearer KEY, or in X-API-Key")
        client = client_network(connection.client.host) if connection.client else ""
        try:
            if is_token(credential):
                principal = await self._by_token(credential, headers.getlist("origin"), client)
            elif is_invitation(credential):
                principal = await self._by_invitation(credential, client)
            elif self._jwt_principal is not None and is_jwt(credential):
                principal = await self._by_jwt(self._jwt_principal, credential, client)
            else:
                principal = await self._by_key(credential, client)
        except SttError as error:
            if error.code == "unauthorized":
                self._failures.count(client)
            raise
        self.uses.note(principal.key_id)
        return principal

    async def _by_key(self, credential: str, client: str) -> Principal:
        written = parse_key(credential)
        if written is None:
            self._failures.check(client)
            raise SttError("unauthorized", "the credential is no key of this server; a key begins with stt_")
        remembered = self.ring.remembered(written.id)
        if remembered is None or not remembered.accepts(written.secret, wall_ms()):
            # Others behind the same address, whose keys this gateway knows, are not refused.
            self._failures.check(client)
        key = await self.ring.get(written.id)
        now_ms = wall_ms()
        if key is None or not key.accepts(written.secret, now_ms):
            raise SttError("unauthorized", "the key is not valid")
        return _live(key, now_ms).principal

    async def _by_jwt(self, principal_of: ByJwt, credential: str, client: str) -> Principal:
        try:
            return await principal_of(credential)
        except SttError as error:
            if error.code == "unauthorized":
                self._failures.check(client)
            raise

    async def _by_token(self, credential: str, origins: list[str], client: str) -> Principal:
        try:
            claims = read_token(credential, self.token_secret, wall_ms(), origins)
        except SttError:
            self._failures.check(client)
            raise
        key = await self._maker(claims.key_id, claims.issued_ms, "token")
        scopes = key.scopes & frozenset(claims.scopes)
        return dataclasses.replace(key.principal, scopes=scopes, by_token=True)

    async def _by_invitation(self, credential: str, client: str) -> Principal:
        try:
            claims = read_invitation(credential, self.token_secret, wall_ms())
        except SttError:
            self._failures.check(client)
            raise
        key = await self._maker(claims.key_id, claims.issued_ms, "invitation", invited=True)
        scopes = key.scopes & ({Scope.READ, Scope.STREAM} if claims.speak else {Scope.READ})
        invited = Invited(claims.conversation_id, claims.expires_ms)
        return dataclasses.replace(key.principal, scopes=scopes, invited=invited)

    async def _maker(self, key_id: str, issued_ms: int, what: str, *, invited: bool = False) -> ApiKey:
        """Return the key that has made a token or an invitation. Raises SttError unauthorized if it has ended since."""
        key = await self.ring.get(key_id)
        if key is None:
            raise SttError("unauthorized", f"the key of this {what} is gone")
        if (why := key.ended_since(issued_ms, wall_ms(), invited=invited)) is not None:
            raise SttError("unauthorized", f"{why}, and its {what}s")
        return key


def _live(key: ApiKey, now_ms: float) -> ApiKey:
    if (why := key.ended(now_ms)) is not None:
        raise SttError("unauthorized", why)
    return key
