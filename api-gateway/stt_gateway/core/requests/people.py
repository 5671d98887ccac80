"""People who sign in at an OpenID provider, the issuer: what the claims of its JWTs make of them. Pure.

A person has an account: a row among the keys, without a secret, so that quotas, usage, tokens and invitations are the
same for people and for programs.
"""

import hashlib
import json
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from stt_gateway.core.requests.addresses import ip_address
from stt_gateway.core.requests.api_key import ALPHABET, ID_CHARS, PERSON, ApiKey
from stt_gateway.core.requests.key_request import MAX_NAME_CHARS, checked_tenant, scopes_named
from stt_gateway.core.requests.parameters import NotAllowed
from stt_gateway.core.requests.principal import Scope
from stt_shared.contracts.errors import SttError
from stt_shared.contracts.makers import LOCAL_TENANT

LEEWAY_S = 30
"""How far the issuer's clock and this one may differ."""
MAX_JWT_CHARS = 16 * 1024
_NAMES = ("preferred_username", "email", "name", "sub")
"""Claims that may name a person, best first."""


@dataclass(frozen=True)
class ScopeRules:
    """Who gets which scopes: everybody, and those with a value in a claim."""

    everybody: frozenset[Scope]
    by_value: Mapping[str, frozenset[Scope]]

    def scopes_for(self, values: Iterable[str]) -> frozenset[Scope]:
        """Return the scopes of somebody with these values."""
        return self.everybody.union(*(self.by_value.get(value, frozenset()) for value in values))


@dataclass(frozen=True)
class ClaimRules:
    """How claims are read. ``tenant_claim`` '': everybody belongs to the tenant ``local``."""

    tenant_claim: str
    scopes_claim: str
    scopes: ScopeRules


def scope_rules(text: str) -> ScopeRules:
    """Parse OIDC_SCOPES: ``stream,jobs`` for everybody, ``staff=stream jobs,root=all`` by value. Raises ValueError."""
    everybody: set[Scope] = set()
    by_value: dict[str, frozenset[Scope]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        value, separator, names = entry.rpartition("=")
        try:
            scopes = scopes_named(names.split())
        except NotAllowed as error:
            raise ValueError(f"{entry!r}: {error}") from None
        if not separator:
            everybody |= scopes
        elif value.strip():
            by_value[value.strip()] = scopes
        else:
            raise ValueError(f"{entry!r} names no value; write VALUE=SCOPE SCOPE")
    return ScopeRules(frozenset(everybody), by_value)


def issuer_url(url: str) -> str:
    """Return the URL of an issuer. Raises ValueError unless it is `https://`, or `http://` on this machine."""
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be the URL of an OpenID provider, such as https://login.example.org/realms/staff")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_this_machine(parts.hostname)):
        raise ValueError("must begin with https://; http:// is for this machine alone")
    return url


def is_this_machine(host: str) -> bool:
    """Return whether a host of a URL is this machine, by its name or its address."""
    address = ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def is_jwt(text: str) -> bool:
    """Return whether a credential is written like a JWT: a key of the suite has no dot, its tokens begin otherwise."""
    return text.startswith("ey") and "." in text


def account_of(claims: Mapping[str, Any], rules: ClaimRules, now_ms: float) -> ApiKey:
    """Return the account of whoever checked claims are about. Raises SttError forbidden if they fit no tenant."""
    issuer, subject = claims["iss"], claims["sub"]
    tenant = _tenant(claims, rules.tenant_claim)
    # Whoever moves to another tenant has another account there.
    named = hashlib.sha256(json.dumps([issuer, subject, tenant]).encode())
    number, id = int.from_bytes(named.digest()), ""
    for _ in range(ID_CHARS):
        number, letter = divmod(number, len(ALPHABET))
        id += ALPHABET[letter]
    return ApiKey(
        id=id,
        tenant=tenant,
        name=_name(claims),
        digest=PERSON + named.hexdigest(),
        scopes=rules.scopes.scopes_for(_values(claims, rules.scopes_claim)),
        created_ms=int(now_ms),
        secret_ms=int(now_ms),
        expires_ms=int((claims["exp"] + LEEWAY_S) * 1000),
    )


def claim_at(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by its path with dots (``realm_access.roles``); None if there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _tenant(claims: Mapping[str, Any], name: str) -> str:
    if not name:
        return LOCAL_TENANT
    found = claim_at(claims, name)
    try:
        return checked_tenant(found if isinstance(found, str) else "")
    except NotAllowed as error:
        raise SttError("forbidden", f"the sign-in names no tenant in its claim {name}: {error}") from None


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    found = claim_at(claims, name) if name else None
    if isinstance(found, str):
        return found.split()
    return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []


def _name(claims: Mapping[str, Any]) -> str:
    for claim in _NAMES:
        text = claims.get(claim)
        if isinstance(text, str) and text.strip() and text.isprintable():
            return text.strip()[:MAX_NAME_CHARS]
    return "a person"
