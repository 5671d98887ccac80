"""The issuer's public keys, as this gateway knows them: read again every few minutes, and when a token names a new one.

While the issuer is away, the keys that are known go on working.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from stt_gateway.outbound.issuer import Issuer, IssuerAway, Metadata, NotAnIssuer
from stt_shared.contracts.errors import SttError
from stt_shared.process.clock import monotonic_ms
from stt_shared.process.tasks import cancel_and_wait

_log = structlog.get_logger()

READ_EVERY_S = 600.0
"""Interval after which a key that the issuer has withdrawn is no longer accepted."""
AGAIN_S = 10.0
"""Least time between two attempts: any token may name a key that nobody has. Doubled with each attempt that fails."""
MOST_AGAIN_S = 60.0
ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""All with a key pair: whoever knows what checks a token must not be able to make one."""
_MIN_RSA_BITS = 2048


class IssuerKeys:
    """Keys of ``issuer``, each with the one algorithm that it is for."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._metadata: Metadata | None = None
        self._keys: list[jwt.PyJWK] = []
        self._reading: asyncio.Task[None] | None = None
        self._next_ms = 0.0
        self._again_s = AGAIN_S
        self._is_away = False

    async def metadata(self) -> Metadata:
        """Return what the issuer says about itself. Raises SttError unavailable."""
        if self._metadata is None:
            await self._read_if_due()
        if self._metadata is None:
            raise self._unavailable()
        return self._metadata

    async def find(self, kid: str | None) -> jwt.PyJWK:
        """Return the key with this id; without an id, the only one. Raises SttError unauthorized and unavailable."""
        for is_last in (False, True):
            found = [key for key in self._keys if kid is None or key.key_id == kid]
            if len(found) == 1:
                return found[0]
            if not is_last:
                await self._read_if_due()
        if self._is_away:
            raise self._unavailable()
        raise SttError("unauthorized", "the token is signed with a key that its issuer does not have")

    async def run(self) -> None:
        """Read the keys now and again, until cancelled."""
        while True:
            await self._read_if_due()
            pause_s = self._again_s if self._is_away else READ_EVERY_S
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            await cancel_and_wait(self._reading)

    async def _read_if_due(self) -> None:
        # Requests that come together share one attempt.
        if self._reading is None:
            if monotonic_ms() < self._next_ms:
                return
            self._reading = asyncio.create_task(self._read(), name="keys of the issuer")
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        try:
            metadata = await self._issuer.metadata()
            keys = usable_keys(await self._issuer.key_set(metadata))
        except (IssuerAway, NotAnIssuer) as error:
            self._is_away = True
            _log.warning(
                "issuer of sign-ins not reached, known keys stay", cause=str(error), known_keys=len(self._keys)
            )
            self._next_ms = monotonic_ms() + self._again_s * 1000
            self._again_s = min(2 * self._again_s, MOST_AGAIN_S)
        else:
            if self._is_away or self._metadata is None:
                _log.info("issuer of sign-ins reached", keys=len(keys))
            self._metadata, self._keys = metadata, keys
            self._is_away, self._again_s = False, AGAIN_S
            self._next_ms = monotonic_ms() + AGAIN_S * 1000
        finally:
            self._reading = None

    def _unavailable(self) -> SttError:
        return SttError(
            "unavailable",
            "the server that signs people in does not answer; try again later, or use a key of this suite",
            retry_after_s=max(1.0, (self._next_ms - monotonic_ms()) / 1000),
        )


def usable_keys(listed: Iterable[Mapping[str, Any]]) -> list[jwt.PyJWK]:
    """Return the keys of a set that sign tokens with an algorithm of ``ALGORITHMS``; others are left out."""
    usable = []
    for one in listed:
        if one.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(dict(one))
        except jwt.PyJWTError:
            continue
        is_short = isinstance(key.key, RSAPublicKey) and key.key.key_size < _MIN_RSA_BITS
        if key.algorithm_name in ALGORITHMS and not is_short:
            usable.append(key)
    return usable
