"""Asks a running suite whether it is healthy, with nothing but the standard library: the launcher starts fast."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Health:
    """What GET /health said. ``status`` is '' when nobody answered."""

    status: str = ""
    services: dict[str, Any] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        """Everything works."""
        return self.status == "healthy"

    @property
    def only_redis_nearly_full(self) -> bool:
        """Everything works; Redis will refuse writes before long."""
        return self.status == "degraded" and self.unready() == "redis nearly_full"

    def unready(self) -> str:
        """What is still missing, for a progress line."""
        if not self.status:
            return "gateway"
        good = {"connected", "loaded", "ready", "ok", "healthy", "running"}
        return ", ".join(f"{name} {state}" for name, state in self.services.items() if str(state) not in good)


def ask_health(url: str, timeout_s: float = 1.0) -> Health:
    """One request; an unhealthy suite answers with an error status and the same body."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=timeout_s) as response:  # noqa: S310  our own address
            return read_health(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return read_health(error.read())
    except (OSError, ValueError):
        return Health()


def read_health(body: bytes) -> Health:
    """Reads an answer; anything that is no JSON object counts as no answer."""
    try:
        said = json.loads(body)
    except ValueError:
        return Health()
    if not isinstance(said, dict):
        return Health()
    services, replicas = said.get("services"), said.get("replicas")
    return Health(
        str(said.get("status", "")),
        services if isinstance(services, dict) else {},
        [replica for replica in replicas if isinstance(replica, dict)] if isinstance(replicas, list) else [],
    )
