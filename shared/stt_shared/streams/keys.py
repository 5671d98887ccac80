"""Names and lifetimes of all keys and channels.

Braces in a name are literal Redis hash tags: all keys of one session share a slot, and so do the keys of all jobs, so
that one atomic function may access them on a Redis Cluster.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from stt_shared.contracts.makers import LOCAL_TENANT

SESSION_TTL_S = 3600
"""Lifetime of a session's keys after its last write."""
ENDED_SESSION_TTL_S = 300
"""The same once it has ended, for a client that comes back for its last events."""
JOB_TTL_S = 24 * 3600
"""Time that a job's result stays readable."""
FAILED_JOB_TTL_S = 3600
"""Time that a failed or cancelled job stays readable."""

SESSIONS_WAITING = "stt:sessions:waiting"
"""Work stream of sessions, with one consumer group per stage. An entry is pending as long as its session has an owner
at that stage."""
ENROLLED_TTL_S = 60
"""Time in which a gateway must take the voice that an enrolling job found."""
JOBS_WAITING = "stt:{jobs}:waiting"
"""Work stream of file jobs, with the same groups. The keys of all jobs share one slot, because a job, its entry here
and its idempotency key are created in one step, and a chunk is dispatched in the step that records it in its job.
A new job waits in JOBS_QUEUED until its client's share has room (admit_jobs.lua)."""
JOBS_QUEUED = "stt:{jobs}:queued"
"""Sorted set of jobs that are not in the work stream yet, by age: ``<client> <job id>``."""
JOBS_TO_FETCH = "stt:{jobs}:fetches"
"""Sorted set of the ids of jobs whose file is still at a client's URL, by the time at which each is due (ms)."""
JOBS_ADMITTED = "stt:{jobs}:admitted"
"""Hash: id of a job in the work stream or in progress -> its client."""
JOB_CHUNKS = "stt:{jobs}:chunks"
"""Stream of file chunks for any transcriber; an entry is acknowledged when the chunk's text is stored."""
JOBS_DEAD = "stt:{jobs}:dead"
"""Stream of job parts that killed every worker that processed them, with the workers' names; never the audio."""
JOBS_KEPT = "stt:{jobs}:kept"
"""List of ended jobs that may still be readable, oldest first."""
JOBS_ENDED = "stt:{jobs}:ended"
"""Work stream of jobs that have ended, written in the step that ends them; the transcript store reads it."""

CALLBACKS_DUE = "stt:{jobs}:callbacks"
"""Sorted set of the ids of callbacks that are neither delivered nor given up, by the time at which each is due (ms)."""
CALLBACK_TTL_S = 2 * 24 * 3600
"""Lifetime of a callback after its last attempt."""

STAGE_GATEWAY = "gateway"
"""Stage of a session's client connection; only the newest connection may write."""
STAGE_AUDIO = "audio"
STAGE_TRANSCRIBER = "transcriber"

_ID = re.compile(r"[A-Za-z0-9._:@-]{1,128}")


def is_valid_id(value: str) -> bool:
    """Return whether a session id is valid: 1–128 letters, digits and ``. _ : @ -``; braces would break hash tags."""
    return _ID.fullmatch(value) is not None


def qualified(tenant: str, id: str) -> str:
    """Return the name that the suite has for what a tenant's client calls ``id``; those of two tenants never meet.

    ``id`` may be any text that holds no slash.
    """
    return id if tenant == LOCAL_TENANT else f"{quote(tenant, safe='')}/{id}"


@dataclass(frozen=True)
class StreamKeys:
    """Keys of one session or of one job, both of which pass through the same stages.

    ``id`` is ``qualified``: unique in the whole suite. ``name`` is what the client calls it.
    """

    id: str
    state: str
    audio: str
    pcm: str
    results: str

    @property
    def tenant(self) -> str:
        """Tenant to which a session belongs."""
        return unquote(self.id.rpartition("/")[0]) or LOCAL_TENANT

    @property
    def name(self) -> str:
        """Id as the client knows it."""
        return self.id.rpartition("/")[2]

    @property
    def audio_log(self) -> str:
        """Log of the ingest channel."""
        return self.audio + ":log"

    @property
    def pcm_log(self) -> str:
        """Log of the channel of 16 kHz frames."""
        return self.pcm + ":log"

    @property
    def results_log(self) -> str:
        """Log of the channel of events."""
        return self.results + ":log"


def session_keys(session_id: str) -> StreamKeys:
    """Return the keys of a live session by its ``qualified`` id, as work streams hold it."""
    tag = "{" + session_id + "}"
    return StreamKeys(
        id=session_id,
        state=f"stt:stream:session:{tag}",
        audio=f"stt:stream:audio:queue:{tag}",
        pcm=f"stt:stream:pcm:queue:{tag}",
        results=f"stt:results:{tag}",
    )


def session_keys_of(tenant: str, session_id: str) -> StreamKeys:
    """Return the keys of the live session that a tenant's client calls ``session_id``."""
    return session_keys(qualified(tenant, session_id))


def job_keys(job_id: str) -> StreamKeys:
    """Return the keys of a file job; its audio log stays empty because the file is in the spool folder."""
    return StreamKeys(
        id=job_id,
        state="stt:{jobs}:job:" + job_id,
        audio="stt:{jobs}:audio:queue:" + job_id,
        pcm="stt:{jobs}:pcm:queue:" + job_id,
        results="stt:{jobs}:results:" + job_id,
    )


def job_parts(job_id: str) -> str:
    """Return the key of a hash: chunk index -> its result."""
    return "stt:{jobs}:parts:" + job_id


def callback(id: str) -> str:
    """Return the key of a callback, a hash; that of a job has the job's id. It shares the slot of all jobs, so that the
    step that ends a job puts it there."""
    return "stt:{jobs}:callback:" + id


def session_callback_id(epoch: str) -> str:
    """Return the id of the callback of one life of a session."""
    return "session." + epoch


def known_voices(tenant: str) -> str:
    """Return the key of a tenant's known voices, JSON, for JOB_TTL_S after what may name them was last begun."""
    return "stt:voices:known:" + tenant


def enrolled_voice(job_id: str) -> str:
    """Return the key of the voice that an enrolling job found, until its gateway takes it or ENROLLED_TTL_S is over."""
    return "stt:voices:enrolled:" + job_id


def job_changes(job_id: str) -> str:
    """Return the channel on which any message says that the job's status or progress has changed."""
    return "stt:{jobs}:changes:" + job_id


def job_request(key_hash: str) -> str:
    """Return the key of a hash: the request under an idempotency key, and the jobs created for it."""
    return "stt:{jobs}:request:" + key_hash


def replica_quarantine(replica_id: str) -> str:
    """Return the key of a replica's quarantine, one name per line: its current work that killed workers before.

    If the replica dies too, no other work that it had in hand is blamed.
    """
    return "stt:suspects:" + replica_id


TRANSCRIPTS_WAITING = "stt:transcripts:waiting"
"""Stream of settled utterances that the transcript store has yet to process."""
CONVERSATION_TTL_S = 24 * 3600
"""Time that a conversation stays in Redis after its last utterance."""


@dataclass(frozen=True)
class ConversationKeys:
    """Keys of one conversation."""

    state: str
    channel: str
    unsettled: str
    newest: str

    @property
    def log(self) -> str:
        """Log of the channel of settled utterances."""
        return self.channel + ":log"

    def newest_of(self, instance: str) -> str:
        """Return the key of the number of a session's newest utterance.

        It is a separate key, so that a conversation that lasts a year does not keep every session that was ever in it.
        """
        return f"{self.newest}:{instance}"

    def newest_revision_of(self, instance: str) -> str:
        """Return the key of the number of the final after which a session's speakers were revised last."""
        return f"{self.newest}:{instance}:speakers"


def conversation_keys(tenant: str, conversation_id: str) -> ConversationKeys:
    """Return the keys of a tenant's conversation; its id may be any text."""
    tag = "{" + qualified(tenant, quote(conversation_id, safe="")) + "}"
    return ConversationKeys(
        state=f"stt:conversations:state:{tag}",
        channel=f"stt:conversations:said:{tag}",
        unsettled=f"stt:conversations:unsettled:{tag}",
        newest=f"stt:conversations:newest:{tag}",
    )


REPLICAS = "stt:{replicas}:status"
"""Hash: replica id -> the status that the replica reports."""


def replica_alive(replica_id: str) -> str:
    """Return the replica's heartbeat key, which exists as long as the replica renews it."""
    return "stt:{replicas}:alive:" + replica_id


def replica_metrics(replica_id: str) -> str:
    """Return the key of the replica's Prometheus text."""
    return "stt:{replicas}:metrics:" + replica_id


def replica_channel(replica_id: str) -> str:
    """Return a process's own channel, which keeps its subscriber connection in use and serves to probe it."""
    return "stt:replica:" + replica_id


USAGE_TTL_S = 3 * 24 * 3600
"""Time in which what was counted on a day must reach the store."""
USES = "stt:quotas:uses"
"""Sorted set of what the store may not have yet: ``<day> <key id>``."""
API_KEYS_CHANGED = "stt:api-keys:changed"
"""Channel on which gateways are told the id of an API key that was revoked or has another secret."""


def requests_counted(key_id: str, minute: int) -> str:
    """Return the key of what is counted of an API key in one minute, a hash; for two minutes."""
    return f"stt:quotas:{{{key_id}}}:minute:{minute}"


def counted_on_day(key_id: str, day: str) -> str:
    """Return the key of what is counted of an API key on one day (UTC, ``2026-01-31``), a hash; for USAGE_TTL_S."""
    return f"stt:quotas:{{{key_id}}}:day:{day}"


def open_streams(key_id: str) -> str:
    """Return the key of the places of an API key's open streams, a hash; as long as one is renewed."""
    return f"stt:quotas:{{{key_id}}}:streams"


def storing_sessions(key_id: str) -> str:
    """Return the key of the places of an API key's live sessions that are to be stored, a hash as ``open_streams``."""
    return f"stt:quotas:{{{key_id}}}:storing"


def gateway_displace(replica_id: str) -> str:
    """Return a gateway's channel on which any message asks it to stop its oldest detached session."""
    return "stt:gateway:displace:" + replica_id
