"""Results of a live session: events for the client and steps of the committed position."""

from collections.abc import Sequence
from dataclasses import dataclass

from stt_shared.contracts.events import Event
from stt_shared.contracts.session import TakeoverState
from stt_transcriber.core.speakers.session import Part


@dataclass(frozen=True)
class Advance:
    """Step of the committed position to ``samples``: audio before it is settled.

    Frames up to ``seq`` are not needed, not even to process the remaining audio exactly as it was processed first.
    ``context`` and ``voices`` (b"": unchanged): state that is stored for a takeover.
    """

    samples: int
    seq: int
    context: TakeoverState
    voices: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """Event, step of the committed position, or both in one.

    ``utterance_end``: of a final or gap, the end of the whole utterance whose text it has or lacks, or a part of it.
    ``parts``: of a final, its words with their voices, where speakers are told apart.
    """

    event: Event | None
    advance: Advance | None = None
    utterance_end: int | None = None
    parts: Sequence[Part] = ()
