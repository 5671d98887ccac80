"""Every key and channel name, and how long each lives. The braces are Redis hash tags, written as they stand here:
all keys of one session (or job) share a slot, so that one atomic function may touch them on a Redis Cluster."""

import re
from dataclasses import dataclass
from urllib.parse import quote

SESSION_TTL_S = 3600
"""A session's keys outlive the last sign of life by this."""
JOB_TTL_S = 24 * 3600
"""A job's result stays readable for this long."""

SESSIONS_WAITING = "stt:sessions:waiting"
"""Stream; one consumer group per stage. An entry is pending as long as its session has an owner at that stage."""
JOBS_WAITING = "stt:{jobs}:waiting"
"""Stream of file jobs, groups as above. All keys of jobs share one slot: a job comes into being, into this stream and
under its idempotency key in one step, and a chunk is handed out in the step that says so in its job."""
JOB_CHUNKS = "stt:{jobs}:chunks"
"""Stream of pieces of files, for any transcriber; acknowledged when the piece's text is stored."""
JOBS_DEAD = "stt:{jobs}:dead"
"""Stream: what killed every worker that had it, and which those were; never the audio."""
WRITE_PROBE = "stt:write-probe"
"""Written at a start, to see whether Redis takes writes; gone at once."""

STAGE_GATEWAY = "gateway"
"""A session's connection: the newest one is the only one that writes."""
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
    return StreamKeys(
        id=job_id,
        state="stt:{jobs}:job:" + job_id,
        audio="stt:{jobs}:audio:queue:" + job_id,
        pcm="stt:{jobs}:pcm:queue:" + job_id,
        results="stt:{jobs}:results:" + job_id,
    )


def job_parts(job_id: str) -> str:
    """Hash: chunk index -> its result."""
    return "stt:{jobs}:parts:" + job_id


def job_request(key_hash: str) -> str:
    """Hash: what was asked under an idempotency key, and the jobs that came of it."""
    return "stt:{jobs}:request:" + key_hash


def replica_quarantine(replica_id: str) -> str:
    """Lines: what it works on at this moment that workers died of before. If it dies too, nothing else in its hands is
    blamed."""
    return "stt:suspects:" + replica_id


TRANSCRIPTS_WAITING = "stt:transcripts:waiting"
"""Stream of what the transcript store has yet to take: settled utterances, jobs that have ended."""
CONVERSATION_TTL_S = 24 * 3600
"""A conversation stays in Redis for this long after the last utterance."""


@dataclass(frozen=True)
class ConversationKeys:
    """The keys of one conversation."""

    state: str
    channel: str
    unsettled: str
    newest: str

    @property
    def log(self) -> str:
        """Beside the channel of settled utterances."""
        return self.channel + ":log"

    def newest_of(self, instance: str) -> str:
        """Number of a session's newest utterance. A key of its own, so that a conversation of a year does not remember
        all who ever spoke in it."""
        return f"{self.newest}:{instance}"


def conversation_keys(conversation_id: str) -> ConversationKeys:
    """The keys of a conversation; any text may be its id."""
    tag = "{" + quote(conversation_id, safe="") + "}"
    return ConversationKeys(
        state=f"stt:conversations:state:{tag}",
        channel=f"stt:conversations:said:{tag}",
        unsettled=f"stt:conversations:unsettled:{tag}",
        newest=f"stt:conversations:newest:{tag}",
    )


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


def gateway_displace(replica_id: str) -> str:
    """A gateway's channel: any message asks it to stop its oldest parked session."""
    return "stt:gateway:displace:" + replica_id
