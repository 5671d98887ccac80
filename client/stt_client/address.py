"""Address of the live path: URL, session parameters, and the parameters that resume a session."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from stt_client.progress import SessionProgress

PATH = "/v1/stt/stream"
_SECRETS = ("resume_token", "prompt", "keyterms", "replacements", "redact_patterns")
"""Parameters that no log may hold; proxies log addresses."""
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


class Handshake(NamedTuple):
    """What opens a connection: a URL, and the subprotocols to offer, one of which carries what the URL must not."""

    url: str
    subprotocols: tuple[str, ...]


@dataclass(frozen=True)
class Address:
    """Address of one session.

    ``url``: the live path without a query. ``query``: parameters of every connection of the session.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)

    def handshake(self, token: str, progress: SessionProgress, start_ms: int | None) -> Handshake:
        """Return what opens the session with this token, or resumes it after the events in ``progress``.

        ``start_ms``: position of the first audio that the client would send to a server without the session; None when
        the client does not have that audio.
        """
        query: dict[str, object] = {**self.query, "resume_token": token, "last_event": progress.last_event}
        if start_ms is not None:
            query |= {"committed_ms": progress.committed_ms, "finals": progress.committed_finals, "start_ms": start_ms}
        secrets = urlencode({name: query.pop(name) for name in _SECRETS if name in query})
        carried = base64.urlsafe_b64encode(secrets.encode()).decode().rstrip("=")
        return Handshake(f"{self.url}?{urlencode(query)}", ("stt", f"query.{carried}"))


def live_url(url: str) -> str:
    """Return the live path of a suite, given its address (http, https, ws, wss) or that path. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not the address of a suite, such as ws://host:8000, without a query")
    path = parts.path.rstrip("/")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path if path.endswith(PATH) else path + PATH}"
