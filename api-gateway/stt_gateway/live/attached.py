"""Sessions that have a connection at this gateway."""

from collections.abc import Callable
from dataclasses import dataclass

from stt_gateway.core.live.fairness import HeldPlace, displaced
from stt_gateway.live.session import Session
from stt_shared.process.clock import monotonic_ms


@dataclass(frozen=True)
class _Connection:
    client: str
    opened_ms: float
    displace: Callable[[], None]


class AttachedSessions:
    """Sessions with a connection. When all places are taken, one may have to give its place to a newcomer."""

    def __init__(self) -> None:
        self._connections: dict[Session, _Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, session: Session, client: str, displace: Callable[[], None]) -> None:
        """Add the session of a client with the network address ``client``; ``displace`` ends it."""
        self._connections[session] = _Connection(client, monotonic_ms(), displace)

    def discard(self, session: Session) -> None:
        """Remove a session."""
        self._connections.pop(session, None)

    def can_displace(self, newcomer: str, places: int) -> bool:
        """Return whether a session would give its place to a client with the address ``newcomer``."""
        return self._choose(newcomer, places) is not None

    def displace(self, newcomer: str, places: int) -> bool:
        """End the session that gives its place to the newcomer; return False if there is none."""
        session = self._choose(newcomer, places)
        if session is None:
            return False
        self._connections.pop(session).displace()
        return True

    def _choose(self, newcomer: str, places: int) -> Session | None:
        held = {
            session: HeldPlace(one.client, one.opened_ms, max(one.opened_ms, session.audio_ms))
            for session, one in self._connections.items()
        }
        return displaced(held, newcomer, places, monotonic_ms())
