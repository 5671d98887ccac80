"""Access tokens: short-lived credentials that a key makes for a browser. Pure; times are wall clock, ms since 1970.

A token is a signed text (signed_text.py), worth what its key is worth when it is used.
"""

import msgspec

from stt_gateway.core.requests.principal import Scope
from stt_gateway.core.requests.signed_text import read_signed, write_signed
from stt_shared.contracts.errors import SttError

PREFIX = "stt1."
DEFAULT_S = 60
MAX_S = 600


_SHORT = {"key_id": "k", "scopes": "s", "issued_ms": "i", "expires_ms": "e", "origin": "o"}


class Claims(msgspec.Struct, frozen=True, rename=_SHORT):
    """What a token says. ``origin``: of the only pages that may use it; '' for any client."""

    key_id: str
    scopes: list[Scope]
    issued_ms: int
    expires_ms: int
    origin: str = ""


_decoder = msgspec.json.Decoder(Claims)


def is_token(text: str) -> bool:
    """Return whether a credential is written like a token."""
    return text.startswith(PREFIX)


def write_token(claims: Claims, secret: bytes) -> str:
    """Return the signed token."""
    return write_signed(PREFIX, claims, secret)


def read_token(token: str, secret: bytes, now_ms: float, origins: list[str]) -> Claims:
    """Return the claims of a valid token. ``origins``: the request's Origin headers. Raises SttError unauthorized."""
    claims = read_signed(token, PREFIX, _decoder, secret, "token")
    if now_ms >= claims.expires_ms:
        raise SttError("unauthorized", "the token has expired; get a new one")
    if claims.origin and [origin.lower() for origin in origins] != [claims.origin]:
        raise SttError("unauthorized", "the token is for pages of another origin")
    return claims
