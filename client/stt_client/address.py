"""Address of the live path: URL, session parameters, and the parameters that resume a session."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from stt_client.progress import SessionProgress

PATH = "/v1/stt/stream"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


@dataclass(frozen=True)
class Address:
    """Address of one session.

    ``url``: the live path without a query. ``query``: parameters of every connection of the session.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)

    def of(self, token: str, progress: SessionProgress, start_ms: int | None) -> str:
        """Return the URL that opens the session with this token, or resumes it after the events in ``progress``.

        ``start_ms``: position of the first audio that the client would send to a server without the session; None when
        the client does not have that audio.
        """
        resume: dict[str, object] = {"resume_token": token, "last_event": progress.last_event}
        if start_ms is not None:
            resume |= {"committed_ms": progress.committed_ms, "finals": progress.committed_finals, "start_ms": start_ms}
        return f"{self.url}?{urlencode({**self.query, **resume})}"


def live_url(url: str) -> str:
    """Return the live path of a suite, given its address (http, https, ws, wss) or that path. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is not the address of a suite, such as ws://host:8000, without a query")
    path = parts.path.rstrip("/")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path if path.endswith(PATH) else path + PATH}"
