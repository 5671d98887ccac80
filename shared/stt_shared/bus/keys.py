"""Every key and channel name, and how long each lives. The braces are Redis hash tags, written as they stand here:
all keys of one session (or job) share a slot, so that one atomic function may touch them on a Redis Cluster."""

import re
from dataclasses import dataclass

SESSION_TTL_S = 3600
"""A session's keys outlive the last sign of life by this."""
JOB_TTL_S = 24 * 3600
"""A job's result stays readable for this long."""

SESSIONS_WAITING = "stt:sessions:waiting"
"""Stream; one consumer group per stage. An entry is pending as long as its session has an owner at that stage."""
JOBS_WAITING = "stt:jobs:waiting"
"""Stream of file jobs, groups as above."""
JOB_CHUNKS = "stt:jobs:chunks"
"""Stream of pieces of files, for any transcriber; acknowledged when the piece's text is stored."""

STAGE_AUDIO = "audio"
STAGE_TRANSCRIBER = "transcriber"

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


def is_valid_id(value: str) -> bool:
    """Session ids: 1–128 letters, digits and ``. _ : @ -``. Braces would break the hash tag."""
    return _ID.fullmatch(value) is not None


@dataclass(frozen=True)
class StreamKeys:
    """The keys of one session, or of one job, which walks the same road."""

    id: str
    state: str
    audio: str
    pcm: str
    results: str

    @property
    def audio_log(self) -> str:
        """Log beside the ingest channel."""
        return self.audio + ":log"

    @property
    def pcm_log(self) -> str:
        """Log beside the channel of 16 kHz frames."""
        return self.pcm + ":log"

    @property
    def results_log(self) -> str:
        """Log beside the channel of events."""
        return self.results + ":log"


def session_keys(session_id: str) -> StreamKeys:
    """The keys of a live session."""
    tag = "{" + session_id + "}"
    return StreamKeys(
        id=session_id,
        state=f"stt:stream:session:{tag}",
        audio=f"stt:stream:audio:queue:{tag}",
        pcm=f"stt:stream:pcm:queue:{tag}",
        results=f"stt:results:{tag}",
    )


def job_keys(job_id: str) -> StreamKeys:
    """The keys of a file job; its audio log stays empty, since the file lies in the spool folder."""
    tag = "{" + job_id + "}"
    return StreamKeys(
        id=job_id,
        state=f"stt:jobs:job:{tag}",
        audio=f"stt:jobs:audio:queue:{tag}",
        pcm=f"stt:jobs:pcm:queue:{tag}",
        results=f"stt:jobs:results:{tag}",
    )


def job_parts(job_id: str) -> str:
    """Hash: chunk index -> its result."""
    return "stt:jobs:parts:{" + job_id + "}"


REPLICAS = "stt:{replicas}:status"
"""Hash: replica id -> what it says of itself."""


def replica_alive(replica_id: str) -> str:
    """Exists as long as the replica renews it."""
    return "stt:{replicas}:alive:" + replica_id


def replica_metrics(replica_id: str) -> str:
    """The replica's Prometheus text."""
    return "stt:{replicas}:metrics:" + replica_id


def replica_channel(replica_id: str) -> str:
    """A process's own channel: it keeps the subscriber connection in use and can probe it."""
    return "stt:replica:" + replica_id
