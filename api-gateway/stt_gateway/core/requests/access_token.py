"""Access tokens: short-lived credentials that a key makes for a browser. Pure; times are wall clock, ms since 1970.

    stt1.<claims: base64url of JSON>.<HMAC-SHA256 of what precedes it: base64url>

All replicas check them with the same secret, without asking anybody. A token is worth what its key is worth then.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from stt_gateway.core.requests.principal import Scope
from stt_shared.contracts.errors import SttError

PREFIX = "stt1."
DEFAULT_S = 60
MAX_S = 600
MAX_CHARS = 2000


_SHORT = {"key_id": "k", "scopes": "s", "issued_ms": "i", "expires_ms": "e", "origin": "o"}


class Claims(msgspec.Struct, frozen=True, rename=_SHORT):
    """What a token says. ``origin``: of the only pages that may use it; '' for any client."""

    key_id: str
    scopes: list[Scope]
    issued_ms: int
    expires_ms: int
    origin: str = ""


_decode = msgspec.json.Decoder(Claims).decode


def is_token(text: str) -> bool:
    """Return whether a credential is written like a token."""
    return text.startswith(PREFIX)


def write_token(claims: Claims, secret: bytes) -> str:
    """Return the signed token."""
    signed = PREFIX + _base64(msgspec.json.encode(claims))
    return f"{signed}.{_base64(_signature(signed, secret))}"


def read_token(token: str, secret: bytes, now_ms: float, origins: list[str]) -> Claims:
    """Return the claims of a valid token. ``origins``: the request's Origin headers. Raises SttError unauthorized."""
    signed, _, signature = token[:MAX_CHARS].rpartition(".")
    expected = _base64(_signature(signed, secret))
    if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
        raise SttError("unauthorized", "the token is not valid")
    try:
        claims = _decode(_from_base64(signed.removeprefix(PREFIX)))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        # Only another version of the suite signs what this one cannot read.
        raise SttError("unauthorized", "the token is not valid here") from None
    if now_ms >= claims.expires_ms:
        raise SttError("unauthorized", "the token has expired; get a new one")
    if claims.origin and [origin.lower() for origin in origins] != [claims.origin]:
        raise SttError("unauthorized", "the token is for pages of another origin")
    return claims


def _signature(signed: str, secret: bytes) -> bytes:
    return hmac.digest(secret, signed.encode(errors="replace"), hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
