"""Progress of a session at the client: which events are new to its user, and how far they commit the audio."""

from collections import deque
from typing import Any

from stt_client.text import join_texts

Event = dict[str, Any]
"""An event of docs/protocol.md, as received."""


class SessionProgress:
    """Progress through one session's events, across its connections."""

    def __init__(self) -> None:
        self.last_event = 0
        """Number of the newest event; a server that receives it repeats the events after it."""
        self.finals = 0
        """Number of the newest final."""
        self.committed_ms = 0
        """Position in milliseconds before which the audio is committed."""
        self.committed_finals = 0
        """Number of the last final of the audio before ``committed_ms``. A server that begins there sends newer finals
        again."""
        self._uncommitted: deque[tuple[int, int]] = deque()  # number and start of finals after `committed_ms`
        self._texts: list[str] = []

    def record(self, event: Event) -> Event | None:
        """Record an event; return it as the user should see it, None if it is not new or not meant for the user."""
        kind, number = event.get("type"), int(event.get("event", 0))
        if kind in ("ready", "error"):
            # Their numbers are not comparable: `ready` comes before repeated events, and an `error` may be created
            # outside the session's sequence of numbers.
            return None
        repeated = number <= self.last_event
        self.last_event = max(self.last_event, number)
        match kind:
            case "ack":
                self._commit(int(event["committed_ms"]))
                return None
            case "final":
                return self._final(event, repeated)
            case "done":
                # The server knows only the finals since its last data loss.
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
        self._uncommitted.append((utterance, int(event.get("start_ms", 0))))
        if event.get("text"):
            self._texts.append(event["text"])
        if "committed_ms" in event:
            self._commit(int(event["committed_ms"]))
        return self._numbered(event, repeated)

    def _commit(self, committed_ms: int) -> None:
        # An `ack` comes after all finals of the audio that it commits, but perhaps also after a newer one.
        self.committed_ms = max(self.committed_ms, committed_ms)
        while self._uncommitted and self._uncommitted[0][1] < self.committed_ms:
            self.committed_finals, _ = self._uncommitted.popleft()

    def _numbered(self, event: Event, repeated: bool) -> Event:
        """Return a new event, renumbered if a server that lost its count gave it a number that was used before."""
        if not repeated:
            return event
        self.last_event += 1
        return {**event, "event": self.last_event}
