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


class Standing(enum.Enum):
    """What has become of an ownership."""

    OWNER = enum.auto()  # still the owner
    ENDED = enum.auto()  # still the owner, but the session or job has ended
    SUPERSEDED = enum.auto()  # the stage has another owner, or the session was opened again
    LOST = enum.auto()  # Redis does not have the session or job any more, or not this claim


@dataclass(frozen=True)
class Ownership:
    """The right to write for one stage of one session or job. ``stage`` '' has no owner and needs no fence."""

    keys: StreamKeys
    epoch: str
    stage: str = ""
    fence: int = 0

    def standing(self, epoch: bytes | None, fence: bytes | None, state: bytes | None) -> Standing:
        """Return what has become of this ownership, given these fields of the hash."""
        if epoch is None or (self.stage and fence is None):
            return Standing.LOST
        if epoch != self.epoch.encode() or (self.stage and int(fence or 0) > self.fence):
            return Standing.SUPERSEDED
        if self.stage and int(fence or 0) < self.fence:
            return Standing.LOST  # by a failover: fences only rise otherwise
        return Standing.ENDED if state == b"done" else Standing.OWNER


class RolledBack(Exception):
    """Redis has less of the session or job than its owner wrote or read: a failover lost the last writes.

    It must be taken again, from what is left.
    """


class OwnershipLost(Exception):
    """The session or job has ended or belongs to another replica.

    Nothing more may be written or needs to be reported.
    """
