"""Events queued for a program that may read slowly: a newer partial replaces an older one, nothing else is dropped."""

from collections import OrderedDict

from stt_client.progress import Event

MAX_WAITING = 10_000
"""Maximum queued events, above which nothing is read from the server. It is enough for hours of finals, because a
program may send all of its audio before it reads."""


class Inbox:
    """Queue of events to be read, in order."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._waiting: OrderedDict[int, Event] = OrderedDict()
        self._partials: dict[tuple[str, int], int] = {}
        self._count = 0
        self._max_waiting = max_waiting

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether an event must be taken before another one is put in."""
        return len(self._waiting) >= self._max_waiting

    def put(self, event: Event) -> None:
        """Add an event; a newer partial or the final of an utterance removes its queued partial.

        Where channels are kept apart, those of a channel do: the number of its utterance may have changed.
        """
        self._count += 1
        if event["type"] in ("partial", "final"):
            older = self._partials.pop(_said_by(event), None)
            if older is not None:
                self._waiting.pop(older, None)
            if event["type"] == "partial":
                self._partials[_said_by(event)] = self._count
        self._waiting[self._count] = event

    def take(self) -> Event | None:
        """Remove and return the next event; None when there is none."""
        if not self._waiting:
            return None
        _, event = self._waiting.popitem(last=False)
        if event["type"] == "partial":
            self._partials.pop(_said_by(event), None)
        return event


def _said_by(event: Event) -> tuple[str, int]:
    return ("utterance", event["utterance"]) if event.get("channel") is None else ("channel", event["channel"])
