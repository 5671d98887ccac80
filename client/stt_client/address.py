"""The address of the live path: where, what is asked for, and what a session is resumed with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from stt_client.heard import SessionProgress

PATH = "/v1/stt/stream"
_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


@dataclass(frozen=True)
class Address:
    """``url``: the live path without a query. ``query``: the parameters of every connection of the session."""

    url: str
    query: Mapping[str, str] = field(default_factory=dict)

    def of(self, token: str, heard: SessionProgress, start_ms: int | None) -> str:
        """Where the session with this token is opened, or resumed with what came of it. ``start_ms``: where the audio
        begins that a server would get which does not have the session; None when that audio is not here any more."""
        resume: dict[str, object] = {"resume_token": token, "last_event": heard.last_event}
        if start_ms is not None:
            resume |= {"committed_ms": heard.committed_ms, "finals": heard.settled_finals, "start_ms": start_ms}
        return f"{self.url}?{urlencode({**self.query, **resume})}"


def live_url(url: str) -> str:
    """The live path of a suite, given its address (http, https, ws, wss) or that path itself. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no address of a suite: it is like ws://host:8000, without a query")
    path = parts.path.rstrip("/")
    return f"{_SCHEMES[parts.scheme]}://{parts.netloc}{path if path.endswith(PATH) else path + PATH}"
