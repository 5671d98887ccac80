"""The right to write for one stage, and the result of a write."""

import enum
from dataclasses import dataclass

from stt_shared.streams.keys import StreamKeys


class WriteResult(enum.StrEnum):
    """Result of a write."""

    OK = "ok"
    DUPLICATE = "duplicate"  # was written before; equivalent to OK
    HOLE = "hole"  # the entry before it is missing
    FULL = "full"  # wait and try again
    FENCED = "fenced"  # another replica or connection owns this stage
    GONE = "gone"  # the session has ended, or was opened again under another epoch


@dataclass(frozen=True)
class Ownership:
    """The right to write for one stage of one session or job. ``stage`` '' has no owner and needs no fence."""

    keys: StreamKeys
    epoch: str
    stage: str = ""
    fence: int = 0
