"""Texts that carry claims and the suite's signature, so that every replica can check them without asking anybody. Pure.

    <prefix><claims: base64url of JSON>.<HMAC-SHA256 of what precedes it: base64url>

The signature covers the prefix too: what was signed for one purpose is worth nothing for another.
"""

import base64
import binascii
import hashlib
import hmac
from typing import TypeVar

import msgspec

from stt_shared.contracts.errors import SttError

MAX_CHARS = 2000

Claims = TypeVar("Claims", bound=msgspec.Struct)


def write_signed(prefix: str, claims: msgspec.Struct, secret: bytes) -> str:
    """Return the signed text."""
    signed = prefix + _base64(msgspec.json.encode(claims))
    return f"{signed}.{_base64(_signature(signed, secret))}"


def read_signed(text: str, prefix: str, decoder: "msgspec.json.Decoder[Claims]", secret: bytes, what: str) -> Claims:
    """Return the claims of a text that was signed with this secret. ``what``: what it is called in errors.

    Raises SttError unauthorized.
    """
    signed, _, signature = text[:MAX_CHARS].rpartition(".")
    expected = _base64(_signature(signed, secret))
    if not (hmac.compare_digest(expected.encode(), signature.encode(errors="replace")) and signed.startswith(prefix)):
        raise SttError("unauthorized", f"the {what} is not valid")
    try:
        return decoder.decode(_from_base64(signed.removeprefix(prefix)))
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        # Only another version of the suite signs what this one cannot read.
        raise SttError("unauthorized", f"the {what} is not valid here") from None


def _signature(signed: str, secret: bytes) -> bytes:
    return hmac.digest(secret, signed.encode(errors="replace"), hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
