"""Events of the server as OpenAI's Realtime API has them."""

from typing import Any

import msgspec

Event = dict[str, Any]

TRANSCRIPTION = "conversation.item.input_audio_transcription"


class EventBuilder:
    """Builder of one connection's events. ``prefix``: makes their ids unique among connections.

    ``is_beta``: the client speaks the form of the API before it became generally available.
    """

    def __init__(self, prefix: str, *, is_beta: bool = False) -> None:
        self._prefix = prefix
        self._events = 0
        self._items = 0
        self.is_beta = is_beta

    def event(self, kind: str, **fields: Any) -> Event:
        """Build an event of this type."""
        self._events += 1
        return {"type": kind, "event_id": f"event_{self._prefix}{self._events}", **fields}

    def new_item_id(self) -> str:
        """Return the id of another item."""
        self._items += 1
        return f"item_{self._prefix}{self._items}"

    def error(
        self, kind: str, code: str | None, message: str, *, param: str | None = None, event_id: str | None = None
    ) -> Event:
        """Build an error. ``event_id``: the client's id of its message that is to blame."""
        error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        return self.event("error", error=error)

    def committed(self, item_id: str, previous_id: str | None) -> list[Event]:
        """Build the events for audio that has become an item."""
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        kinds = ("created",) if self.is_beta else ("added", "done")
        return [
            self.event("input_audio_buffer.committed", previous_item_id=previous_id, item_id=item_id),
            *(self.event(f"conversation.item.{kind}", previous_item_id=previous_id, item=item) for kind in kinds),
        ]

    def transcription(self, kind: str, item_id: str, **fields: Any) -> Event:
        """Build an event about the text of an item."""
        return self.event(f"{TRANSCRIPTION}.{kind}", item_id=item_id, content_index=0, **fields)


def encoded(event: Event) -> str:
    """Return the text message of an event."""
    return msgspec.json.encode(event).decode()
