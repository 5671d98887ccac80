"""The issuer: the OpenID provider where people sign in. What it publishes, and its exchange of codes for tokens.

The operator names it, so it may be anywhere, in the operator's own network too, and behind the environment's proxies.
"""

import base64
import json
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from stt_gateway.core.requests.people import is_this_machine

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 1024 * 1024
_DISCOVERY = "/.well-known/openid-configuration"


class IssuerAway(Exception):
    """The issuer does not answer, or not as it should just now. The message says why."""


class NotAnIssuer(Exception):
    """Refusal of OIDC_ISSUER, which is no OpenID provider or another one. The message is for the operator."""


class ExchangeRefused(Exception):
    """Refusal of a code or a refresh token by the issuer. ``code``: its word for that, such as `invalid_grant`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Metadata:
    """What an issuer says about itself; ``token_methods``: how clients may identify themselves."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_methods: tuple[str, ...]


class Issuer:
    """Client of one issuer. ``client_secret`` '': a public client."""

    def __init__(self, url: str, client_id: str = "", client_secret: str = "") -> None:
        self.url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._client = httpx2.AsyncClient(
            # The system's authorities, or those of SSL_CERT_FILE.
            verify=ssl.create_default_context(),
            timeout=TIMEOUT_S,
            # A proxy does not lead to this machine.
            trust_env=not is_this_machine(urllib.parse.urlsplit(url).hostname or ""),
            headers={"user-agent": "realtime-stt-suite", "accept": "application/json"},
        )

    async def metadata(self) -> Metadata:
        """Read what the issuer says about itself. Raises IssuerAway, and NotAnIssuer."""
        at = self.url.rstrip("/") + _DISCOVERY
        status, found = await self._answer("GET", at)
        if 400 <= status < 500 and status not in (408, 429):
            raise NotAnIssuer(f"OIDC_ISSUER={self.url} is no OpenID provider: {at} answers {status}")
        if status != 200:
            raise IssuerAway(f"{_DISCOVERY} answers {status}")
        if not isinstance(found, dict) or not isinstance(found.get("issuer"), str):
            raise NotAnIssuer(f"OIDC_ISSUER={self.url} is no OpenID provider: {at} is no description of one")
        if found["issuer"] != self.url:
            raise NotAnIssuer(
                f"OIDC_ISSUER={self.url} calls itself {found['issuer']}; set OIDC_ISSUER to exactly that if it is meant"
            )
        try:
            return Metadata(
                self._checked(found["authorization_endpoint"]),
                self._checked(found["token_endpoint"]),
                self._checked(found["jwks_uri"]),
                tuple(found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise NotAnIssuer(
                f"OIDC_ISSUER={self.url} cannot be used: its description lacks or has bad {error}"
            ) from None

    async def key_set(self, metadata: Metadata) -> list[Mapping[str, Any]]:
        """Read the issuer's public keys, as JSON Web Keys. Raises IssuerAway."""
        status, found = await self._answer("GET", metadata.jwks_uri)
        listed = found.get("keys") if isinstance(found, dict) else None
        if status != 200 or not isinstance(listed, list):
            raise IssuerAway(f"its keys cannot be read: {status}")
        return [key for key in listed if isinstance(key, dict)]

    async def exchange(self, metadata: Metadata, grant: Mapping[str, str]) -> Mapping[str, Any]:
        """Exchange a code or a refresh token; return the issuer's answer. Raises IssuerAway and ExchangeRefused."""
        form, headers = {**grant, "client_id": self._client_id}, {}
        if self._client_secret and "client_secret_basic" in metadata.token_methods:
            # As RFC 6749 has it, encoded before they are joined.
            pair = ":".join(urllib.parse.quote_plus(part) for part in (self._client_id, self._client_secret))
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif self._client_secret:
            form["client_secret"] = self._client_secret
        status, found = await self._answer("POST", metadata.token_endpoint, form, headers)
        answer = found if isinstance(found, dict) else {}
        if status in (400, 401, 403):
            code = str(answer.get("error", status))
            raise ExchangeRefused(code if code.replace("_", "").isalnum() and len(code) <= 64 else str(status))
        if status != 200:
            raise IssuerAway(f"its token endpoint answers {status}")
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _answer(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the JSON of an answer, None if it is none."""
        body = bytearray()
        try:
            async with self._client.stream(method, url, data=form, headers=headers) as response:
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        raise IssuerAway(f"it answers more than {MAX_ANSWER_BYTES} bytes")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise IssuerAway(str(error) or type(error).__name__) from None
        try:
            return response.status_code, json.loads(body)
        except (ValueError, RecursionError):
            return response.status_code, None

    def _checked(self, url: str) -> str:
        parts = urllib.parse.urlsplit(url)
        if not parts.hostname or parts.scheme not in ("https", urllib.parse.urlsplit(self.url).scheme):
            raise ValueError(f"the address {url}")
        return url
