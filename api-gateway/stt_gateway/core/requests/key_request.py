"""Bodies of requests that make keys, tokens and invitations. Pure."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from stt_gateway.core.requests import invitation
from stt_gateway.core.requests.access import origin_names
from stt_gateway.core.requests.access_token import DEFAULT_S, MAX_S
from stt_gateway.core.requests.parameters import NotAllowed, quoted
from stt_gateway.core.requests.principal import Principal, Scope
from stt_gateway.core.requests.quotas import NO_QUOTAS, Quotas, checked_quotas
from stt_gateway.core.requests.viewer_request import check_conversation_id
from stt_shared.contracts.errors import SttError

MAX_NAME_CHARS = 100
MAX_DAYS = 3650.0
MAX_OVERLAP_S = 7 * 24 * 3600
ALL = "all"
"""Stands for all scopes."""
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

T = TypeVar("T")


class _NewKey(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    scopes: list[str]
    expires_in_days: float | None = None
    quotas: dict[str, int] = {}


class _Rotation(msgspec.Struct, forbid_unknown_fields=True):
    overlap_s: float = 0.0


class _NewToken(msgspec.Struct, forbid_unknown_fields=True):
    expires_in: float = DEFAULT_S
    scopes: list[str] | None = None
    origin: str = ""


class _NewInvitation(msgspec.Struct, forbid_unknown_fields=True):
    conversation_id: str
    speak: bool = False
    expires_in: float = invitation.DEFAULT_S


@dataclass(frozen=True)
class KeyRequest:
    """A key that somebody wants. ``days`` None: it never expires."""

    name: str
    scopes: frozenset[Scope]
    days: float | None
    quotas: Quotas = NO_QUOTAS


@dataclass(frozen=True)
class TokenRequest:
    """A token that somebody wants."""

    scopes: frozenset[Scope]
    expires_s: float
    origin: str


@dataclass(frozen=True)
class InvitationRequest:
    """An invitation that somebody wants. ``speak``: to speak too, and not only to read."""

    conversation_id: str
    speak: bool
    expires_s: float


def key_request(body: bytes, maker: Principal) -> KeyRequest:
    """Parse the body of a request for a key. Raises SttError bad_message, bad_config, or forbidden for more scopes than
    the maker has."""
    given = parse_body(body, _NewKey, '{"name": "…", "scopes": ["stream", …], "expires_in_days": 90, "quotas": {…}}')
    try:
        wanted = KeyRequest(
            checked_name(given.name),
            scopes_of(given.scopes),
            checked_days(given.expires_in_days),
            checked_quotas(given.quotas),
        )
    except NotAllowed as error:
        raise SttError("bad_config", str(error)) from None
    _check_has(maker, wanted.scopes)
    return wanted


def overlap_request(body: bytes) -> float:
    """Parse the body of a rotation, which may be empty; return the overlap in seconds. Raises SttError."""
    overlap_s = parse_body(body or b"{}", _Rotation, '{"overlap_s": 3600}').overlap_s
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise SttError("bad_config", f"overlap_s must be 0 to {MAX_OVERLAP_S}")
    return overlap_s


def token_request(body: bytes, maker: Principal) -> TokenRequest:
    """Parse the body of a request for a token, which may be empty. Raises SttError as ``key_request`` does."""
    given = parse_body(body or b"{}", _NewToken, '{"expires_in": 60, "scopes": ["stream", …], "origin": "https://…"}')
    if not 1 <= given.expires_in <= MAX_S:
        raise SttError("bad_config", f"expires_in must be 1 to {MAX_S} seconds")
    try:
        scopes = maker.scopes if given.scopes is None else scopes_of(given.scopes)
        origin = origin_names(given.origin)
    except (NotAllowed, ValueError) as error:
        raise SttError("bad_config", str(error)) from None
    if len(origin) > 1 or "*" in origin:
        raise SttError("bad_config", "origin must be one origin, such as https://example.org")
    _check_has(maker, scopes)
    return TokenRequest(scopes, given.expires_in, origin[0] if origin else "")


def invitation_request(body: bytes, maker: Principal) -> InvitationRequest:
    """Parse the body of a request for an invitation. Raises SttError as ``key_request`` does."""
    given = parse_body(body, _NewInvitation, '{"conversation_id": "…", "speak": true, "expires_in": 86400}')
    check_conversation_id(given.conversation_id)
    if not invitation.MIN_S <= given.expires_in <= invitation.MAX_S:
        raise SttError("bad_config", f"expires_in must be {invitation.MIN_S} to {invitation.MAX_S} seconds")
    if given.speak:
        _check_has(maker, frozenset({Scope.STREAM}))
    return InvitationRequest(given.conversation_id, given.speak, given.expires_in)


def checked_name(name: str) -> str:
    """Return a key's name without white space around it. Raises NotAllowed."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise NotAllowed(f"a name must have 1 to {MAX_NAME_CHARS} visible characters")
    return name


def checked_days(days: float | None) -> float | None:
    """Return the days after which a key expires. Raises NotAllowed."""
    if days is not None and not 0 < days <= MAX_DAYS:
        raise NotAllowed(f"a key expires after more than 0 and up to {MAX_DAYS:g} days, or never")
    return days


def scopes_of(names: Collection[str]) -> frozenset[Scope]:
    """Return the scopes with these names, at least one. Raises NotAllowed."""
    unknown = sorted(set(names) - set(Scope))
    if unknown or not names:
        wrong = f"scope {quoted(unknown[0])} is not known" if unknown else "at least one scope is needed"
        raise NotAllowed(f"{wrong}; there are {', '.join(Scope)}")
    return frozenset(Scope(name) for name in names)


def scopes_named(names: Collection[str]) -> frozenset[Scope]:
    """Return the scopes with these names, all of them for the one name ``all``. Raises NotAllowed."""
    return frozenset(Scope) if list(names) == [ALL] else scopes_of(names)


def checked_tenant(tenant: str) -> str:
    """Return the name of a tenant. Raises NotAllowed."""
    if not _TENANT.fullmatch(tenant):
        raise NotAllowed("a tenant is 1 to 64 letters, digits and . _ -")
    return tenant


def sorted_scopes(scopes: Iterable[Scope]) -> list[Scope]:
    """Return scopes in the order in which they are defined."""
    wanted = frozenset(scopes)
    return [scope for scope in Scope if scope in wanted]


def _check_has(maker: Principal, scopes: frozenset[Scope]) -> None:
    if missing := sorted_scopes(scopes - maker.scopes):
        raise SttError("forbidden", f"your key has not the scope {missing[0]} itself")


def parse_body(body: bytes, kind: type[T], shape: str) -> T:
    """Parse a body; ``shape`` is an example of what is expected. Raises SttError bad_message or bad_config."""
    decode: Callable[..., Any] = msgspec.json.decode
    try:
        parsed: T = decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise SttError("bad_config", f"{error}; the body must be like {shape}") from None
    except msgspec.DecodeError:
        raise SttError("bad_message", f"the body is no JSON; it must be like {shape}") from None
    return parsed
