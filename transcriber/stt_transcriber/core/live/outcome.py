"""What a live session answers: events for the client, steps of the committed position."""

from dataclasses import dataclass

from stt_shared.contracts.events import Event
from stt_shared.contracts.session import TakeoverState


@dataclass(frozen=True)
class Advance:
    """Audio before ``samples`` is settled, and frames up to ``seq`` are not needed any more, not even to hear the rest
    as it was heard."""

    samples: int
    seq: int
    context: TakeoverState


@dataclass(frozen=True)
class Outcome:
    """Something to tell: an event, a step of the committed position, or both in one."""

    event: Event | None
    advance: Advance | None = None
