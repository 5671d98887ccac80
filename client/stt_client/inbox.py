"""Events on their way to a program that may read slowly: a newer partial replaces the older, nothing else goes."""

from collections import OrderedDict

from stt_client.heard import Event

MAX_WAITING = 10_000
"""Hours of finals: a program may send all of its audio before it reads. Beyond, nothing is read from the server."""


class Inbox:
    """What waits to be read, in order."""

    def __init__(self, max_waiting: int = MAX_WAITING) -> None:
        self._waiting: OrderedDict[int, Event] = OrderedDict()
        self._partials: dict[int, int] = {}
        self._count = 0
        self._max_waiting = max_waiting

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Nothing should be put in before something is taken."""
        return len(self._waiting) >= self._max_waiting

    def put(self, event: Event) -> None:
        """Adds an event; a partial that waits goes when this says all that it said."""
        self._count += 1
        if event["type"] in ("partial", "final"):
            older = self._partials.pop(event["utterance"], None)
            if older is not None:
                self._waiting.pop(older, None)
            if event["type"] == "partial":
                self._partials[event["utterance"]] = self._count
        self._waiting[self._count] = event

    def take(self) -> Event | None:
        """The next event; None when none waits."""
        if not self._waiting:
            return None
        _, event = self._waiting.popitem(last=False)
        if event["type"] == "partial":
            self._partials.pop(event["utterance"], None)
        return event
