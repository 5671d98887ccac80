"""Owner of all keys of file jobs: creates a job once, dispatches its chunks, stores their results, ends it once.

Readers and writers of these keys go through here; every write that must agree with others is one Lua script.
"""

import asyncio
import contextlib
import enum
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from stt_shared.contracts.frames import Frame
from stt_shared.contracts.jobs import ChunkResult, DecodedFile, JobError, JobResult, JobStatus
from stt_shared.contracts.makers import LOCAL_MAKER, Maker
from stt_shared.contracts.speakers import KnownVoice
from stt_shared.process.clock import wall_ms
from stt_shared.redis.channels import ChannelHub, Inbox
from stt_shared.redis.outage import UNREACHABLE
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.job_state import CUTTER, FIELDS, JobState
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.ownership import Ownership, Standing
from stt_shared.streams.reader import LogReader, pcm_reader
from stt_shared.streams.scripts import script

MAX_DEAD_KEPT = 1000
"""Approximate number of entries kept in the stream of dead jobs; the oldest are trimmed first."""
MAX_ENDED_KEPT = 10_000
"""Ended jobs that stay readable; the oldest are deleted first. The transcript store keeps what was completed."""
MAX_ENDED_WAITING = 100_000
"""Approximate number of ended jobs that may wait for the store; beyond it the oldest are dropped."""

_JOBS_AT_ONCE = 200


class _Made(msgspec.Struct, frozen=True):
    """What a job's configuration says about who made it."""

    maker: Maker = LOCAL_MAKER


_decode_made = msgspec.json.Decoder(_Made).decode
_decode_voices = msgspec.json.Decoder(list[KnownVoice]).decode
_decode_part = msgspec.json.Decoder(ChunkResult).decode


SHARED_UNCUT_JOBS = 4
"""Jobs that the clients with unfinished jobs share between admission and the last cut; each has at least one. A replica
takes twice as many jobs, so a client that came first leaves room for others."""
JOB_ENDINGS = frozenset({*(status.value.encode() for status in JobStatus if status.is_final), b"deleted"})
"""Messages after which a job does not change any more (see ``JobStreams.changes``)."""
PARTS_AT_ONCE = 16
"""Chunks whose results are read in one call."""
LEAST_CHUNKS_WAITING = 8
"""Chunks of one client that may wait for a transcriber even if none is in progress."""


@dataclass(frozen=True)
class JobLimits:
    """Most unfinished jobs, in all and of one client; 0: no limit."""

    in_all: int = 0
    per_client: int = 0


NO_LIMITS = JobLimits()


class CreateRefusal(enum.StrEnum):
    """Reason why jobs were not created."""

    CONFLICT = "conflict"  # the idempotency key was used for another request
    FULL = "full"  # there are too many unfinished jobs
    CLIENT_FULL = "client full"  # the client has too many unfinished jobs


@dataclass(frozen=True)
class NewJob:
    """A job to create; ``config`` is JSON. ``fetch``: a FetchOrder as JSON, b"" if its file is in the spool folder."""

    job_id: str
    epoch: str
    config: bytes
    fetch: bytes = b""


@dataclass(frozen=True)
class Created:
    """The jobs of a request. ``replayed``: they already existed under the same idempotency key."""

    job_ids: list[str]
    replayed: bool


@dataclass(frozen=True)
class DispatchResult:
    """Outcome of a cutter's write, and the number of chunks done so far. Only ``ok`` changed anything."""

    outcome: Literal["ok", "full", "hole", "fenced", "gone"]
    done: int


@dataclass(frozen=True)
class Cut:
    """The cutter's position after some frames.

    ``state``: what the next owner needs to continue. ``chunks``: number of chunks of the whole file, None until its end
    is reached. ``samples``: length of the file, set together with ``chunks``. ``channels``: number
    of channels that are cut, each as long as the file.
    """

    committed_samples: int
    committed_seq: int
    state: bytes
    chunks: int | None = None
    samples: int = 0
    channels: int = 1


class JobStreams:
    """Reads, and atomic and idempotent writes, of the keys of jobs."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._publish = channels.publish_command
        self._create = script("create_jobs")
        self._admit = script("admit_jobs")
        self._chunk_room = script("chunk_room")
        self._update = script("update_job")
        self._dispatch_chunks = script("dispatch_chunks")
        self._store_part = script("store_part")
        self._finish = script("finish_job")
        self._charge = script("charge_job")
        self._delete = script("delete_job")

    async def state(self, job_id: str, *, with_cutter: bool = False) -> JobState | None:
        """Return the job's state, None if there is no such job. ``with_cutter``: include the cutter's state."""
        names = (*FIELDS, CUTTER) if with_cutter else FIELDS
        values: list[bytes | None] = await self._pipeline.command("HMGET", keys.job_keys(job_id).state, *names)
        fields = {name.encode(): value for name, value in zip(names, values, strict=True) if value is not None}
        return JobState.read(fields)

    async def status(self, job_id: str) -> JobStatus | None:
        """Return the job's status, None if there is no such job."""
        (status,) = await self._pipeline.command("HMGET", keys.job_keys(job_id).state, "status")
        return None if status is None else JobStatus(status.decode())

    async def owns(self, owner: Ownership) -> bool:
        """Return whether the job is active and ``owner`` still owns its stage.

        An ``owner`` without a stage needs to name the job's epoch only.
        """
        epoch, fence, state = await self._pipeline.command(
            "HMGET", owner.keys.state, "epoch", f"fence:{owner.stage}", "state"
        )
        return owner.standing(epoch, fence, state) is Standing.OWNER

    async def parts(self, job_id: str) -> list[ChunkResult]:
        """Return the results of the chunks that are done, in order."""
        answer: Any = await self._pipeline.command("HGETALL", keys.job_parts(job_id))
        # RESP3 has a map; a script's reply (redis/cluster_pipeline.py) is a list.
        parts = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        return [_decode_part(parts[index]) for index in sorted(parts, key=int)]

    async def parts_from(self, job_id: str, first: int) -> list[ChunkResult]:
        """Return the results of chunk ``first`` and those after it, up to the first that is not done."""
        found: list[ChunkResult] = []
        while True:
            begin = first + len(found)
            wanted = range(begin, begin + PARTS_AT_ONCE)
            answer: list[bytes | None] = await self._pipeline.command("HMGET", keys.job_parts(job_id), *wanted)
            done = [part for part in itertools.takewhile(lambda part: part is not None, answer) if part is not None]
            found += map(_decode_part, done)
            if len(done) < PARTS_AT_ONCE:
                return found

    async def parts_done(self, job_id: str) -> int:
        """Return the number of chunks that are done."""
        return int(await self._pipeline.command("HLEN", keys.job_parts(job_id)))

    async def is_part_done(self, job_id: str, index: int) -> bool:
        """Return whether a chunk is done."""
        return bool(await self._pipeline.command("HEXISTS", keys.job_parts(job_id), index))

    async def create(
        self,
        jobs: Sequence[NewJob],
        now_ms: float,
        *,
        key_hash: str = "",
        fingerprint: str = "",
        client: str = "",
        limits: JobLimits = NO_LIMITS,
    ) -> Created | CreateRefusal:
        """Create and queue the jobs of one request, at most once per ``key_hash`` within a day.

        ``client``: who takes turns with other clients, without spaces; '' for unknown.
        """
        arguments: list[Argument] = [fingerprint if key_hash else "", int(now_ms), keys.JOB_TTL_S]
        arguments += [client, limits.in_all, limits.per_client]
        for job in jobs:
            arguments += [job.job_id, job.epoch, job.config, job.fetch]
        states = [keys.job_keys(job.job_id).state for job in jobs]
        at_keys = [keys.JOBS_QUEUED, keys.JOBS_ADMITTED, keys.job_request(key_hash), keys.JOBS_TO_FETCH, *states]
        answer: list[bytes] = await self._pipeline.call(self._create, at_keys, arguments)
        if answer[0] not in (b"created", b"replayed"):
            return CreateRefusal(answer[0].decode())
        await self._admit_next()
        return Created([job_id.decode() for job_id in answer[1:]], answer[0] == b"replayed")

    async def unfinished_of(self, client: str) -> int:
        """Return how many unfinished jobs a client has."""
        admitted: list[bytes] = await self._pipeline.command("HVALS", keys.JOBS_ADMITTED)
        queued: list[bytes] = await self._pipeline.command("ZRANGE", keys.JOBS_QUEUED, 0, -1)
        clients = [*admitted, *(member.partition(b" ")[0] for member in queued)]
        return clients.count(client.encode())

    async def admit(self) -> int:
        """Move queued jobs whose clients have room to the work stream; return how many."""
        at_keys = [keys.JOBS_QUEUED, keys.JOBS_ADMITTED, keys.JOBS_WAITING]
        return int(await self._pipeline.call(self._admit, at_keys, [SHARED_UNCUT_JOBS, keys.job_keys("").state]))

    async def _admit_next(self) -> None:
        # The caller's own write is done, and work/job_admission.py repeats a call that fails.
        with contextlib.suppress(*UNREACHABLE):
            await self.admit()

    async def set_processing(self, owner: Ownership) -> bool:
        """Record that the job is being processed; False when it has ended or ``owner`` has lost its stage."""
        return await self._set_while_active(owner, "status", JobStatus.PROCESSING.value)

    async def set_length(self, owner: Ownership, n_samples: int) -> bool:
        """Record the length of the file; False when the job has ended or ``owner`` has lost its stage."""
        return await self._set_while_active(owner, "total_samples", n_samples)

    async def set_decoded(self, owner: Ownership, n_samples: int, found: DecodedFile) -> bool:
        """Record that the whole file is decoded: its audio has ``n_samples``. False as for ``set_length``."""
        decoded = msgspec.json.encode(found)
        return await self._set_while_active(owner, "total_samples", n_samples, "decoded", decoded)

    async def _set_while_active(self, owner: Ownership, *fields: Argument) -> bool:
        at = owner.keys
        arguments: list[Argument] = [owner.epoch, owner.stage, owner.fence, self._publish, *fields]
        return bool(await self._pipeline.call(self._update, [at.state, keys.job_changes(at.id)], arguments))

    async def dispatch_chunks(
        self,
        owner: Ownership,
        chunks: Sequence[tuple[bytes, bytes]],
        cut: Cut,
        *,
        before: int,
        max_undone: int,
    ) -> DispatchResult:
        """Dispatch ``chunks`` (message, s16le samples) and store the cutter's position ``cut`` in one step.

        ``before``: number of chunks dispatched earlier. ``max_undone``: dispatched chunks that may await their results.
        """
        at = owner.keys
        arguments: list[Argument] = [
            owner.epoch,
            owner.fence,
            before,
            max_undone,
            cut.committed_samples,
            cut.committed_seq,
            cut.state,
            -1 if cut.chunks is None else cut.chunks,
            cut.samples,
            keys.JOB_TTL_S,
            self._publish,
            cut.channels,
        ]
        for message, pcm in chunks:
            arguments += [message, pcm]
        at_keys = [at.state, keys.job_parts(at.id), keys.JOB_CHUNKS, at.pcm_log, keys.job_changes(at.id)]
        answer: list[Any] = await self._pipeline.call(self._dispatch_chunks, at_keys, arguments)
        if cut.chunks is not None:
            await self._admit_next()
        return DispatchResult(answer[0].decode(), int(answer[2]))

    async def has_chunk_room(self, job_id: str, *, max_undone: int) -> bool:
        """Return whether the job may dispatch another chunk, so that other clients' chunks need not wait for long."""
        arguments: list[Argument] = [job_id, keys.STAGE_TRANSCRIBER, LEAST_CHUNKS_WAITING, max_undone]
        arguments += [keys.job_keys("").state, keys.job_parts("")]
        return bool(await self._pipeline.call(self._chunk_room, [keys.JOBS_ADMITTED, keys.JOB_CHUNKS], arguments))

    async def store_part(self, at: StreamKeys, epoch: str, index: int, result: bytes, *, n_samples: int) -> bool:
        """Store a chunk's result; return whether all chunks of the job are done (False also when it has ended)."""
        arguments: list[Argument] = [epoch, index, result, n_samples, keys.JOB_TTL_S, self._publish]
        at_keys = [at.state, keys.job_parts(at.id), keys.job_changes(at.id)]
        answer: list[Any] = await self._pipeline.call(self._store_part, at_keys, arguments)
        outcome, done, chunks = answer
        return bool(outcome == b"ok" and done == chunks)

    async def complete(self, at: StreamKeys, epoch: str, result: JobResult) -> bool:
        """End a job with its transcript; False when it had already ended or is gone."""
        return await self.finish(at, epoch, JobStatus.COMPLETED, result=msgspec.json.encode(result), now_ms=wall_ms())

    async def fail(self, at: StreamKeys, epoch: str, code: str, message: str) -> bool:
        """End a job with an error for its client; False when it had already ended or is gone."""
        error = msgspec.json.encode(JobError(code, message))
        return await self.finish(at, epoch, JobStatus.FAILED, error=error, now_ms=wall_ms())

    async def finish(
        self,
        at: StreamKeys,
        epoch: str,
        status: str,
        *,
        result: bytes = b"",
        error: bytes = b"",
        now_ms: float,
        part: str = "",
        workers: Sequence[str] = (),
    ) -> bool:
        """End a job and announce its end; False when it had already ended or is gone.

        ``part`` and ``workers``: the part of the job that killed its workers, and their names.
        """
        ttl_s = keys.JOB_TTL_S if status == JobStatus.COMPLETED else keys.FAILED_JOB_TTL_S
        arguments: list[Argument] = [epoch, status, result, error, int(now_ms), ttl_s]
        arguments += [at.id, MAX_ENDED_WAITING, part, " ".join(workers), MAX_DEAD_KEPT, self._publish]
        arguments += [MAX_ENDED_KEPT, keys.job_keys("").state]
        arguments += [keys.callback(""), keys.CALLBACK_TTL_S, keys.JOB_TTL_S]
        at_keys = [at.state, keys.job_parts(at.id), at.pcm_log]
        at_keys += [keys.JOBS_ENDED, keys.JOBS_DEAD, keys.job_changes(at.id), keys.JOBS_QUEUED, keys.JOBS_ADMITTED]
        at_keys += [keys.JOBS_KEPT, keys.CALLBACKS_DUE]
        ended = bool(await self._pipeline.call(self._finish, at_keys, arguments))
        await self._admit_next()
        return ended

    async def charge(self, job_id: str) -> bool:
        """Return whether the job's audio is to be charged now: once, while the job is there."""
        return bool(await self._pipeline.call(self._charge, [keys.job_keys(job_id).state], []))

    async def delete(self, job_id: str) -> bool:
        """Delete everything of a job that has ended; False when it is still active. May be repeated."""
        at = keys.job_keys(job_id)
        at_keys = [at.state, keys.job_changes(job_id), keys.job_parts(job_id)]
        at_keys += [at.pcm_log, at.audio_log, at.results_log, keys.callback(job_id)]
        return bool(await self._pipeline.call(self._delete, at_keys, [self._publish]))

    async def of_tenant(self, tenant: str) -> list[str]:
        """Return the ids of a tenant's jobs, ended ones included."""
        queued: list[bytes] = await self._pipeline.command("ZRANGE", keys.JOBS_QUEUED, 0, -1)
        admitted: list[bytes] = await self._pipeline.command("HKEYS", keys.JOBS_ADMITTED)
        kept: list[bytes] = await self._pipeline.command("LRANGE", keys.JOBS_KEPT, 0, -1)
        ids = dict.fromkeys(id.decode() for id in [*(one.rpartition(b" ")[2] for one in queued), *admitted, *kept])
        found: list[str] = []
        known = list(ids)
        for at in range(0, len(known), _JOBS_AT_ONCE):
            some = known[at : at + _JOBS_AT_ONCE]
            makers = await asyncio.gather(*map(self._tenant_of, some))
            found += [id for id, maker in zip(some, makers, strict=True) if maker == tenant]
        return found

    async def _tenant_of(self, job_id: str) -> str | None:
        config: bytes | None
        (config,) = await self._pipeline.command("HMGET", keys.job_keys(job_id).state, "config")
        return None if config is None else _decode_made(config).maker.tenant

    async def delete_dead(self, job_ids: Collection[str]) -> None:
        """Delete what the stream of dead jobs has of these jobs. May be repeated."""
        wanted = {id.encode() for id in job_ids}
        entries: Any = await self._pipeline.command("XRANGE", keys.JOBS_DEAD, "-", "+")
        for entry_id, row in entries:
            if dict(zip(row[::2], row[1::2], strict=True)).get(b"job_id") in wanted:
                await self._pipeline.command("XDEL", keys.JOBS_DEAD, entry_id)

    async def known_voices(self, tenant: str) -> list[KnownVoice]:
        """Return the known voices that jobs and sessions of a tenant may name."""
        stored: bytes | None = await self._pipeline.command("GET", keys.known_voices(tenant))
        return [] if stored is None else _decode_voices(stored)

    async def set_known_voices(self, tenant: str, voices: Sequence[KnownVoice]) -> None:
        """Replace the known voices of a tenant."""
        at = keys.known_voices(tenant)
        if voices:
            await self._pipeline.command("SET", at, msgspec.json.encode(voices), "EX", keys.JOB_TTL_S)
        else:
            await self._pipeline.command("UNLINK", at)

    async def put_enrolled_voice(self, job_id: str, voice: bytes) -> None:
        """Hand over the voice that an enrolling job found; before it ends."""
        await self._pipeline.command("SET", keys.enrolled_voice(job_id), voice, "EX", keys.ENROLLED_TTL_S)

    async def enrolled_voice(self, job_id: str) -> bytes | None:
        """Return the voice that an enrolling job found; None if it is too late."""
        voice: bytes | None = await self._pipeline.command("GET", keys.enrolled_voice(job_id))
        return voice

    async def delete_enrolled_voice(self, job_id: str) -> None:
        """Delete the voice that an enrolling job found."""
        await self._pipeline.command("UNLINK", keys.enrolled_voice(job_id))

    def read_pcm(self, at: StreamKeys, position: int) -> LogReader[Frame]:
        """Return a reader of the 16 kHz frames after ``position``."""
        return pcm_reader(self._pipeline, self._channels, at, position)

    def changes(self, job_id: str) -> contextlib.AbstractAsyncContextManager[Inbox]:
        """Return an inbox that gets a message whenever the job's status or progress changes, and when it is deleted.

        The last message is one of ``JOB_ENDINGS``.
        Messages may be lost: read the state after entering, after each message, and now and then.
        """
        return self._channels.listen(keys.job_changes(job_id))
