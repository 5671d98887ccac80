"""Typed atomic functions of file jobs: create once, dispatch in chunks, store the results, finish once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from stt_shared.contracts.frames import Frame
from stt_shared.redis.channels import ChannelHub
from stt_shared.redis.pipeline import Argument, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.reader import LogReader, pcm_reader
from stt_shared.streams.scripts import script

MAX_DEAD_KEPT = 1000
"""Approximate number of entries kept in the stream of dead jobs; the oldest are trimmed first."""


@dataclass(frozen=True)
class NewJob:
    """A job to create; ``config`` is JSON."""

    job_id: str
    epoch: str
    config: bytes


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
    is reached. ``samples``: length of the file, set together with ``chunks``.
    """

    committed_samples: int
    committed_seq: int
    state: bytes
    chunks: int | None = None
    samples: int = 0


class JobStreams:
    """Atomic, idempotent writes to the keys of jobs."""

    def __init__(self, pipeline: Pipeline, channels: ChannelHub) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._create = script("create_jobs")
        self._hand_out = script("hand_out")
        self._finish = script("finish_job")
        self._store_part = script("store_part")

    async def create(
        self, jobs: Sequence[NewJob], now_ms: float, *, key_hash: str = "", fingerprint: str = ""
    ) -> Created | None:
        """Create and enqueue the jobs of one request, at most once per ``key_hash`` within a day.

        Returns None when the key was used for a different request.
        """
        arguments: list[Argument] = [fingerprint if key_hash else "", int(now_ms), keys.JOB_TTL_S]
        for job in jobs:
            arguments += [job.job_id, job.epoch, job.config]
        states = [keys.job_keys(job.job_id).state for job in jobs]
        answer: list[bytes] = await self._pipeline.call(
            self._create, [keys.JOBS_WAITING, keys.job_request(key_hash), *states], arguments
        )
        if answer[0] == b"conflict":
            return None
        return Created([job_id.decode() for job_id in answer[1:]], answer[0] == b"replayed")

    async def dispatch_chunks(
        self,
        at: StreamKeys,
        epoch: str,
        fence: int,
        chunks: Sequence[tuple[bytes, bytes]],
        cut: Cut,
        *,
        before: int,
        max_undone: int,
    ) -> DispatchResult:
        """Dispatch ``chunks`` (message, s16le samples) and store the cutter's position ``cut`` in one step.

        ``before``: number of chunks dispatched earlier. ``max_undone``: dispatched chunks that may await their results.
        """
        arguments: list[Argument] = [
            epoch,
            fence,
            before,
            max_undone,
            cut.committed_samples,
            cut.committed_seq,
            cut.state,
            -1 if cut.chunks is None else cut.chunks,
            cut.samples,
            keys.JOB_TTL_S,
        ]
        for message, pcm in chunks:
            arguments += [message, pcm]
        answer: list[Any] = await self._pipeline.call(
            self._hand_out, [at.state, keys.job_parts(at.id), keys.JOB_CHUNKS, at.pcm_log], arguments
        )
        return DispatchResult(answer[0].decode(), int(answer[2]))

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
        """End a job; False when it had already ended or is gone.

        ``part`` and ``workers``: the part of the job that killed its workers, and their names.
        """
        arguments: list[Argument] = [epoch, status, result, error, int(now_ms), keys.JOB_TTL_S]
        arguments += [part, " ".join(workers), MAX_DEAD_KEPT, at.id]
        at_keys = [at.state, keys.job_parts(at.id), at.pcm_log, keys.JOBS_DEAD]
        return bool(await self._pipeline.call(self._finish, at_keys, arguments))

    async def store_part(
        self, at: StreamKeys, epoch: str, index: int, result: bytes, *, language: str, n_samples: int
    ) -> tuple[int, int] | None:
        """Store a chunk's result.

        Returns (results stored, chunks in total or -1 while unknown), None when the job has ended.
        """
        arguments: list[Argument] = [epoch, index, result, language, n_samples, keys.JOB_TTL_S]
        answer: list[Any] = await self._pipeline.call(self._store_part, [at.state, keys.job_parts(at.id)], arguments)
        return (int(answer[1]), int(answer[2])) if answer[0] == b"ok" else None

    def read_pcm(self, at: StreamKeys, position: int) -> LogReader[Frame]:
        """Return a reader of the 16 kHz frames after ``position``."""
        return pcm_reader(self._pipeline, self._channels, at, position)
