"""API keys: how one is written, and what its stored record accepts. Pure; times are wall clock, ms since 1970.

    stt_<id: 12>_<secret: 43>    letters and digits; the secret has 256 bits

A secret that random needs no slow hash: its SHA-256 cannot be searched for.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from stt_gateway.core.requests.principal import Principal, Scope
from stt_gateway.core.requests.quotas import NO_QUOTAS, Quotas

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_CHARS = 12
SECRET_CHARS = 43
"""62^43 is more than 2^256."""
PREFIX = "stt_"
PERSON = "person:"
"""Begins what the account of a person has in place of a secret's digest; no secret has such a digest."""
_KEY = re.compile(rf"{PREFIX}(?P<id>[0-9A-Za-z]{{{ID_CHARS}}})_(?P<secret>[0-9A-Za-z]{{{SECRET_CHARS}}})")
_ID = re.compile(rf"[0-9A-Za-z]{{{ID_CHARS}}}")


@dataclass(frozen=True)
class WrittenKey:
    """A key as its holder has it."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole key, which is shown once and never logged."""
        return f"{PREFIX}{self.id}_{self.secret}"


def parse_key(text: str) -> WrittenKey | None:
    """Return the parts of a key; None for any other text."""
    found = _KEY.fullmatch(text)
    return WrittenKey(found["id"], found["secret"]) if found else None


def is_key_id(text: str) -> bool:
    """Return whether the text is written like a key's id."""
    return _ID.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class ApiKey:
    """A stored key.

    ``secret_ms``: when its secret was made. ``previous_digest``: of the secret before that, accepted until
    ``previous_until_ms``. ``last_used_ms``: to some minutes.
    """

    id: str
    tenant: str
    name: str
    digest: str = field(repr=False)
    scopes: frozenset[Scope]
    created_ms: int
    secret_ms: int
    quotas: Quotas = NO_QUOTAS
    expires_ms: int | None = None
    revoked_ms: int | None = None
    last_used_ms: int | None = None
    previous_digest: str = field(default="", repr=False)
    previous_until_ms: int = 0

    @property
    def principal(self) -> Principal:
        """Who uses the key."""
        return Principal(self.tenant, self.id, self.name, self.scopes, quotas=self.quotas)

    @property
    def is_person(self) -> bool:
        """Whether this is the account of somebody who signs in (people.py). It ends with the last JWT seen."""
        return self.digest.startswith(PERSON)

    def accepts(self, secret: str, now_ms: float) -> bool:
        """Return whether this is the key's secret, or the one before while that is still accepted."""
        digest = digest_of(secret)
        is_current = hmac.compare_digest(digest, self.digest)
        is_previous = hmac.compare_digest(digest, self.previous_digest) and now_ms < self.previous_until_ms
        return is_current or is_previous

    def ended(self, now_ms: float) -> str | None:
        """Return why the key is good for nothing any more; None while it is."""
        if self.revoked_ms is not None:
            return "the account has been revoked" if self.is_person else "the key has been revoked"
        if self.expires_ms is not None and now_ms >= self.expires_ms:
            return "the sign-in has expired" if self.is_person else "the key has expired"
        return None

    def ended_since(self, then_ms: float, now_ms: float, *, invited: bool = False) -> str | None:
        """Return why what was begun with the key at ``then_ms`` must end; None while it may go on.

        ``invited``: by a guest. A person's guests stay when the person signs out.
        """
        if self.revoked_ms is None and then_ms < self.secret_ms and now_ms >= self.previous_until_ms:
            return "the key has another secret since"
        if invited and self.is_person and self.revoked_ms is None:
            return None
        return self.ended(now_ms)
