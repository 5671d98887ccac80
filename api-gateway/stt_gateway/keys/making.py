"""New keys and secrets."""

import secrets

from stt_gateway.core.requests.api_key import ALPHABET, ID_CHARS, SECRET_CHARS, ApiKey, WrittenKey, digest_of
from stt_gateway.core.requests.key_request import KeyRequest
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError

_DAY_MS = 24 * 3600 * 1000


async def create_key(store: KeyStore, wanted: KeyRequest, tenant: str, now_ms: float) -> tuple[WrittenKey, ApiKey]:
    """Store a new key; return it with its secret, which is not stored. Raises SttError unavailable."""
    written = WrittenKey(random_text(ID_CHARS), random_text(SECRET_CHARS))
    key = ApiKey(
        id=written.id,
        tenant=tenant,
        name=wanted.name,
        digest=digest_of(written.secret),
        scopes=wanted.scopes,
        quotas=wanted.quotas,
        created_ms=int(now_ms),
        secret_ms=int(now_ms),
        expires_ms=None if wanted.days is None else int(now_ms + wanted.days * _DAY_MS),
    )
    await store.add(key)
    return written, key


async def rotate_key(
    store: KeyStore, id: str, tenant: str | None, now_ms: float, overlap_s: float
) -> tuple[WrittenKey, ApiKey]:
    """Give a key another secret. Raises SttError not_found or unavailable."""
    written = WrittenKey(id, random_text(SECRET_CHARS))
    key = await store.rotate(id, tenant, digest_of(written.secret), now_ms, overlap_s * 1000)
    if key is None:
        raise no_such_key()
    return written, key


async def revoke_key(store: KeyStore, id: str, tenant: str | None, now_ms: float) -> None:
    """Revoke a key for good. Raises SttError not_found or unavailable."""
    if not await store.revoke(id, tenant, now_ms):
        raise no_such_key()


def no_such_key() -> SttError:
    """Return the error for a key that does not exist, or is another tenant's."""
    return SttError("not_found", "no such key, or it is revoked")


def new_signing_secret() -> str:
    """Return a new secret for tokens, in hexadecimal."""
    return secrets.token_hex(32)


def random_text(length: int) -> str:
    """Return letters and digits that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
