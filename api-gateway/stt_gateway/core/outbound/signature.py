"""Signatures of callbacks, as the Standard Webhooks specification defines them. Pure."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from stt_shared.contracts.makers import LOCAL_TENANT

PREFIX = "whsec_"
LEAST_SECRET_BYTES = 24


def secrets_of(setting: str) -> tuple[bytes, ...]:
    """Parse CALLBACK_SECRET: one secret, or several with commas while one replaces another. Raises ValueError."""
    return tuple(map(_secret, filter(None, (item.strip() for item in setting.split(",")))))


def tenant_key(secret: bytes, tenant: str) -> bytes:
    """Return the key with which a tenant's callbacks are signed.

    That of ``local`` is the secret itself. Other tenants have keys of their own, derived from it: whoever checks the
    callbacks of one must not be able to sign those of another.
    """
    if tenant == LOCAL_TENANT:
        return secret
    return hmac.new(secret, b"tenant:" + tenant.encode(), hashlib.sha256).digest()


def secret_text(key: bytes) -> str:
    """Return a key as receivers' libraries take it."""
    return PREFIX + base64.b64encode(key).decode()


def signature_headers(keys: Sequence[bytes], webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the headers by which a receiver knows who sent ``body``, when, and whether it has seen it before."""
    signed = b".".join((webhook_id.encode(), str(timestamp_s).encode(), body))
    signatures = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _secret(text: str) -> bytes:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except binascii.Error:
        secret = b""
    if len(secret) < LEAST_SECRET_BYTES:
        # Never repeated in the message: it is a secret, or close to one.
        raise ValueError(
            f"must be {PREFIX} and at least {LEAST_SECRET_BYTES} bytes in Base64, as "
            f'`echo "{PREFIX}$(openssl rand -base64 32)"` prints'
        )
    return secret
