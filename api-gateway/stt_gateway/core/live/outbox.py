"""Queue of events for a client that may read slowly: only partials are dropped, when a newer event replaces them."""

from collections import deque
from dataclasses import dataclass

import msgspec


class EventHead(msgspec.Struct, frozen=True):
    """Fields of an event that decide how it is sent."""

    type: str
    event: int
    utterance: int = 0
    channel: int | None = None
    code: str = ""
    traceparent: str = ""


_decode_head = msgspec.json.Decoder(EventHead).decode


@dataclass(frozen=True)
class Outgoing:
    """One event. ``received_ms``: arrival from Redis (monotonic)."""

    head: EventHead
    body: bytes
    received_ms: float


def outgoing(body: bytes, received_ms: float) -> Outgoing:
    """Decode the head of an event. Raises msgspec.DecodeError."""
    return Outgoing(_decode_head(body), body, received_ms)


class Outbox:
    """Events that wait to be sent, in order. ``partials`` False: partials are dropped."""

    def __init__(self, *, partials: bool = True) -> None:
        self._waiting: deque[Outgoing] = deque()
        self._partials = partials

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Outgoing) -> None:
        """Add an event; it replaces a waiting partial if it is a partial or final of the same utterance.

        Where channels are kept apart, it is the same if it is on the same channel: the number may have changed.
        """
        if item.head.type == "partial" and not self._partials:
            return
        if item.head.type in ("partial", "final"):
            for waiting in self._waiting:
                if waiting.head.type == "partial" and _said_by(waiting.head) == _said_by(item.head):
                    self._waiting.remove(waiting)
                    break
        self._waiting.append(item)

    def take(self) -> Outgoing | None:
        """Remove and return the next event; None when none waits."""
        return self._waiting.popleft() if self._waiting else None


def _said_by(head: EventHead) -> tuple[str, int]:
    return ("utterance", head.utterance) if head.channel is None else ("channel", head.channel)
