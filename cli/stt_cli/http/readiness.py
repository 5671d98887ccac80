"""Health check of a running suite, using only the standard library so that the launcher starts fast."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from stt_cli.http.api_key import key_headers
from stt_cli.http.server import untrusted
from stt_cli.http.tls import client_tls


@dataclass(frozen=True)
class Health:
    """Answer of GET /health. ``status`` is '' if there was no answer."""

    status: str = ""
    services: dict[str, Any] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """True if everything works."""
        return self.status == "healthy"

    @property
    def only_redis_nearly_full(self) -> bool:
        """True if everything works but Redis will soon refuse writes, or the suite does not tell more without a key."""
        return self.status == "degraded" and (not self.services or self.unready() == "redis nearly_full")

    def unready(self) -> str:
        """Return what is not ready, for a progress line."""
        if not self.status:
            return "gateway"
        good = {"connected", "loaded", "ready", "ok", "healthy", "running"}
        return ", ".join(f"{name} {state}" for name, state in self.services.items() if str(state) not in good)


def ask_health(url: str, timeout_s: float = 1.0, *, tls: ssl.SSLContext | None = None) -> Health:
    """Request the health once; an unhealthy suite answers with an error status and the same body.

    ``tls`` None: as ``client_tls``. Raises CliError for a certificate that is not trusted.
    """
    handlers: list[urllib.request.BaseHandler] = []
    if url.startswith("https"):
        handlers.append(urllib.request.HTTPSHandler(context=tls or client_tls()))
    # Proxies from the environment are for the internet; a suite is usually on this machine or the local network.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
    opener.addheaders += key_headers().items()
    try:
        with opener.open(f"{url}/health", timeout=timeout_s) as response:
            return read_health(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return read_health(error.read())
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise untrusted(url, error.reason) from None
        return Health()
    except (OSError, ValueError, http.client.HTTPException):
        return Health()


def read_health(body: bytes) -> Health:
    """Parse an answer; anything that is not a JSON object counts as no answer."""
    try:
        answer = json.loads(body)
    except ValueError:
        return Health()
    if not isinstance(answer, dict):
        return Health()
    services, replicas = answer.get("services"), answer.get("replicas")
    return Health(
        str(answer.get("status", "")),
        services if isinstance(services, dict) else {},
        [replica for replica in replicas if isinstance(replica, dict)] if isinstance(replicas, list) else [],
    )
