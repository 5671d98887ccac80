"""The check of people who sign in (AUTH=oidc): whose JWT is this, and what may they do."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import jwt

from stt_gateway.core.requests.api_key import ApiKey
from stt_gateway.core.requests.people import LEEWAY_S, MAX_JWT_CHARS, ClaimRules, account_of
from stt_gateway.core.requests.principal import Principal
from stt_gateway.keys.ring import KeyRing
from stt_gateway.outbound.issuer_keys import ALGORITHMS, IssuerKeys
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import wall_ms

_TYPES = ("", "jwt", "at+jwt", "application/at+jwt")
"""Kinds of tokens that say who somebody is. Others of the same issuer, such as `logout+jwt`, are no credentials."""
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
_MOST_S = 1e11


class People:
    """People of one issuer, each with an account among the keys.

    ``client_id``: of the page, whose ID tokens are accepted. ``audiences``: those of access tokens.
    """

    def __init__(
        self,
        keys: IssuerKeys,
        issuer: str,
        client_id: str,
        audiences: Collection[str],
        rules: ClaimRules,
        store: KeyStore,
        ring: KeyRing,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._client_id = client_id
        self._audiences = frozenset(audiences)
        self._rules = rules
        self._store = store
        self._ring = ring

    async def principal(self, token: str) -> Principal:
        """Return whose token this is. Raises SttError unauthorized, forbidden or unavailable."""
        return await self.principal_for(await self.claims(token))

    async def principal_for(self, claims: Mapping[str, Any]) -> Principal:
        """Return who checked claims are about, with the scopes that they give. Raises as ``principal`` does."""
        named = account_of(claims, self._rules, wall_ms())
        stored = await self._ring.get(named.id)
        if stored is None or (stored.expires_ms or 0) < (named.expires_ms or 0):
            stored = await self._keep(named)
        if stored.digest != named.digest:
            raise SttError("forbidden", "the account of this sign-in belongs to somebody else")
        if stored.revoked_ms is not None:
            raise SttError("unauthorized", "the account has been revoked")
        return dataclasses.replace(stored.principal, scopes=named.scopes, name=named.name)

    async def claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that is valid here. Raises SttError unauthorized or unavailable."""
        if len(token) > MAX_JWT_CHARS:
            raise SttError("unauthorized", f"the token is longer than {MAX_JWT_CHARS} characters")
        try:
            header = jwt.get_unverified_header(token)
            _check_header(header)
            key = await self._keys.find(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=[name for name in (self._client_id, *self._audiences) if name],
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
            self._check_claims(claims)
        except jwt.ExpiredSignatureError:
            raise SttError("unauthorized", "the token has expired; sign in again") from None
        except jwt.InvalidAudienceError:
            raise SttError("unauthorized", "the token is for another audience") from None
        except jwt.ImmatureSignatureError:
            raise SttError("unauthorized", "the token is not valid yet; is a clock wrong?") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise SttError("unauthorized", "the token is not valid here") from None
        return claims

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        expires_s = claims["exp"]
        if isinstance(expires_s, bool) or not isinstance(expires_s, int | float) or not abs(expires_s) < _MOST_S:
            raise jwt.InvalidTokenError("exp")
        if not claims["sub"]:
            raise jwt.InvalidTokenError("sub")
        # A logout token has a subject and an audience, and a bound one is worth nothing without the key it is bound to.
        if "events" in claims or "cnf" in claims:
            raise jwt.InvalidTokenError("kind")
        audiences = {claims["aud"]} if isinstance(claims["aud"], str) else set(claims["aud"])
        if self._audiences.isdisjoint(audiences) and claims.get("azp", self._client_id) != self._client_id:
            raise jwt.InvalidAudienceError("azp")

    async def _keep(self, named: ApiKey) -> ApiKey:
        try:
            stored = await self._store.keep_person(named)
        except SttError as error:
            if error.code == "conflict":
                raise SttError("forbidden", error.message) from None
            raise
        self._ring.forget(named.id)
        return stored


def _check_header(header: Mapping[str, Any]) -> None:
    if header.get("alg") not in ALGORITHMS or str(header.get("typ", "")).lower() not in _TYPES or "crit" in header:
        raise jwt.InvalidTokenError("header")


def seconds_left(claims: Mapping[str, Any]) -> int:
    """Return for how many seconds checked claims are valid."""
    left_s: float = claims["exp"] - wall_ms() / 1000
    return max(0, math.floor(left_s))
