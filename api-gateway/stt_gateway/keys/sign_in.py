"""Sign-in of people on the page: the exchange of what the issuer gave the browser for a token of this suite's clients.

The gateway does it and not the page, so that the page needs to reach nobody else, and a secret may stay here.
"""

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from stt_gateway.core.requests.sign_in_request import CodeRequest, RenewalRequest
from stt_gateway.keys.check import ByJwt
from stt_gateway.keys.failures import FailureLimit
from stt_gateway.keys.people import People, seconds_left
from stt_gateway.keys.ring import KeyRing
from stt_gateway.outbound.issuer import ExchangeRefused, Issuer, IssuerAway
from stt_gateway.outbound.issuer_keys import IssuerKeys
from stt_gateway.settings import GatewaySettings
from stt_gateway.store.api_keys import KeyStore
from stt_shared.contracts.errors import SttError

_log = structlog.get_logger()

AT_ONCE = 32
"""Exchanges under way at a time: anybody may ask for one."""


@dataclass(frozen=True)
class SignedIn:
    """Somebody who has signed in. ``refresh_token`` '': the issuer gives none."""

    token: str
    expires_s: int
    refresh_token: str
    name: str


class SignIn:
    """Sign-in with the page's ``client_id``; ``scope``: what is asked of the issuer."""

    def __init__(
        self, issuer: Issuer, keys: IssuerKeys, people: People, failures: FailureLimit, client_id: str, scope: str
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._people = people
        self._failures = failures
        self._client_id = client_id
        self._scope = scope
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Keep the issuer's keys up to date until cancelled."""
        try:
            await self._keys.run()
        finally:
            await self._keys.close()
            await self._issuer.close()

    async def where(self) -> dict[str, str | None]:
        """Return what a page needs to send somebody to the issuer, which is None without a client for pages.

        Raises SttError unavailable.
        """
        if not self._client_id:
            return {"issuer": None}
        metadata = await self._keys.metadata()
        return {
            "issuer": self._issuer.url,
            "authorization_endpoint": metadata.authorization_endpoint,
            "client_id": self._client_id,
            "scope": self._scope,
        }

    async def with_code(self, wanted: CodeRequest, client: str) -> SignedIn:
        """Exchange a code of the issuer. ``client``: network address.

        Raises SttError conflict, unauthorized, rate_limited, forbidden and unavailable.
        """
        grant = {
            "grant_type": "authorization_code",
            "code": wanted.code,
            "code_verifier": wanted.code_verifier,
            "redirect_uri": wanted.redirect_uri,
        }
        return await self._exchanged(grant, client, wanted.nonce)

    async def renewed(self, wanted: RenewalRequest, client: str) -> SignedIn:
        """Exchange a refresh token, otherwise as ``with_code``."""
        grant = {"grant_type": "refresh_token", "refresh_token": wanted.refresh_token}
        return await self._exchanged(grant, client, None)

    async def _exchanged(self, grant: Mapping[str, str], client: str, nonce: str | None) -> SignedIn:
        self._check_page()
        self._failures.check(client)
        try:
            metadata = await self._keys.metadata()
            async with self._places:
                answer = await self._issuer.exchange(metadata, grant)
            return await self._checked(answer, nonce, grant.get("refresh_token", ""))
        except ExchangeRefused as refusal:
            if refusal.code != "invalid_grant":
                # The operator's to mend: the client is not registered as it is set here.
                _log.warning("issuer refused the exchange", code=refusal.code, grant=grant["grant_type"])
            self._failures.count(client)
            raise SttError("unauthorized", f"the issuer refused the sign-in: {refusal.code}") from None
        except IssuerAway as error:
            _log.warning("issuer of sign-ins not reached", cause=str(error))
            raise SttError("unavailable", "the server that signs people in does not answer; try again later") from None
        except SttError as error:
            if error.code == "unauthorized":
                self._failures.count(client)
            raise

    async def _checked(self, answer: Mapping[str, Any], nonce: str | None, refresh_token: str) -> SignedIn:
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SttError("unauthorized", "the issuer gave no ID token; sign in again")
        claims = await self._people.claims(token)
        if nonce is not None and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SttError("unauthorized", "the ID token belongs to another sign-in")
        principal = await self._people.principal_for(claims)
        given = answer.get("refresh_token")
        # An issuer that gives no other goes on accepting the one before.
        return SignedIn(token, seconds_left(claims), given if isinstance(given, str) else refresh_token, principal.name)

    def _check_page(self) -> None:
        if not self._client_id:
            raise SttError("conflict", "nobody signs in on this server's page: OIDC_CLIENT_ID is not set")


def open_sign_in(
    settings: GatewaySettings, store: KeyStore, ring: KeyRing, failures: FailureLimit
) -> tuple[ByJwt, SignIn]:
    """Return the check of JWTs and the sign-in of people, as the settings want them."""
    issuer = issuer_of(settings)
    keys = IssuerKeys(issuer)
    client_id = settings.oidc_client_id
    people = People(keys, issuer.url, client_id, settings.oidc_audiences, settings.claim_rules, store, ring)
    return people.principal, SignIn(issuer, keys, people, failures, client_id, settings.oidc_scope)


def issuer_of(settings: GatewaySettings) -> Issuer:
    """Return the client of OIDC_ISSUER."""
    return Issuer(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret.get_secret_value())


async def check_issuer(settings: GatewaySettings) -> None:
    """Raise NotAnIssuer if what OIDC_ISSUER names is none. One that does not answer is only warned of."""
    issuer = issuer_of(settings)
    try:
        await issuer.metadata()
    except IssuerAway as error:
        _log.warning("issuer of sign-ins not reached; people cannot sign in until it is", cause=str(error))
    finally:
        await issuer.close()
