"""Requests and results of opening a session, and of attaching a connection to one."""

import enum
from dataclasses import dataclass

from stt_shared.contracts.frames import IngestPosition


@dataclass(frozen=True)
class StartPosition:
    """Start of a session that continues after its keys were lost.

    ``event``, ``finals``: numbers of the newest event and final that the client has. ``committed_samples``: position up
    to which those finals cover the audio. ``start_samples``: position of the first sample that the client sends.
    """

    event: int = 0
    finals: int = 0
    committed_samples: int = 0
    start_samples: int = 0


SESSION_START = StartPosition()


@dataclass(frozen=True)
class Hold:
    """Seconds after its last write for which an active session's id is refused to others.

    ``with_audio_s`` applies once the session has received audio, ``without_audio_s`` before.
    """

    with_audio_s: float = 0
    without_audio_s: float = 0


NO_HOLD = Hold()


@dataclass(frozen=True)
class OpenedSession:
    """A session's new epoch. ``replaces``: the epoch that it replaced, None for none."""

    fence: int
    replaces: str | None


@dataclass(frozen=True)
class AttachedSession:
    """A session that a new connection resumes."""

    fence: int
    epoch: str
    config: bytes
    audio_seq: int
    held: IngestPosition
    stopped: bool


class AttachRefusal(enum.StrEnum):
    """Reason why a session cannot be resumed."""

    GONE = "gone"  # there is no session with that id
    OTHER = "other"  # the token belongs to another session
    BEHIND = "behind"  # Redis has an older state than the client
