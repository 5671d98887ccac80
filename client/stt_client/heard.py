"""What the client has of a session: which events are news to its user, and how far they settle the audio."""

from collections import deque
from typing import Any

from stt_client.text import join_texts

Event = dict[str, Any]
"""An event of docs/protocol.md, as it came."""


class SessionProgress:
    """One session's events, whatever connections they come through."""

    def __init__(self) -> None:
        self.last_event = 0
        """Number of the newest event; a server that is told it repeats those behind it."""
        self.finals = 0
        """Number of the newest final."""
        self.committed_ms = 0
        """Audio before this is settled."""
        self.settled_finals = 0
        """Finals of the audio before ``committed_ms``. Newer ones come again from a server that begins there."""
        self._unsettled: deque[tuple[int, int]] = deque()  # number and begin of the finals behind `committed_ms`
        self._texts: list[str] = []

    def take(self, event: Event) -> Event | None:
        """The event as the user is to see it; None for one that is no news, or none of his business."""
        kind, number = event.get("type"), int(event.get("event", 0))
        if kind in ("ready", "error"):
            # Their numbers say nothing: `ready` comes before events that are repeated, and an `error` may be made
            # outside the session's row of numbers.
            return None
        repeated = number <= self.last_event
        self.last_event = max(self.last_event, number)
        match kind:
            case "ack":
                self._settle(int(event["committed_ms"]))
                return None
            case "final":
                return self._final(event, repeated)
            case "done":
                # The server knows only the finals since it last lost something.
                event = {**event, "text": join_texts(self._texts), "finals": self.finals}
                return self._numbered(event, repeated)
            case "partial" if int(event.get("utterance", 0)) <= self.finals:
                return None
            case _:
                return None if repeated else event

    def _final(self, event: Event, repeated: bool) -> Event | None:
        utterance = int(event["utterance"])
        if utterance <= self.finals:
            return None
        self.finals = utterance
        self._unsettled.append((utterance, int(event.get("start_ms", 0))))
        if event.get("text"):
            self._texts.append(event["text"])
        if "committed_ms" in event:
            self._settle(int(event["committed_ms"]))
        return self._numbered(event, repeated)

    def _settle(self, committed_ms: int) -> None:
        # An `ack` comes behind all finals of the audio that it settles, but perhaps behind a newer one too.
        self.committed_ms = max(self.committed_ms, committed_ms)
        while self._unsettled and self._unsettled[0][1] < self.committed_ms:
            self.settled_finals, _ = self._unsettled.popleft()

    def _numbered(self, event: Event, repeated: bool) -> Event:
        """News that must not be dropped, though a server that lost its count gave it a number of old."""
        if not repeated:
            return event
        self.last_event += 1
        return {**event, "event": self.last_event}
