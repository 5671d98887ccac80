"""The atomic functions of file jobs, typed: made once, handed out in chunks, put together and ended once."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from stt_shared.redis.pipeline import Argument, LuaFunction, Pipeline
from stt_shared.streams import keys
from stt_shared.streams.keys import StreamKeys

MAX_DEAD_KEPT = 1000
"""Notes in the stream of the dead; about so many, the oldest go first."""


@dataclass(frozen=True)
class NewJob:
    """A job to be made; ``config`` is JSON."""

    job_id: str
    epoch: str
    config: bytes


@dataclass(frozen=True)
class Created:
    """The jobs of a request. ``replayed``: they were there already, under the same idempotency key."""

    job_ids: list[str]
    replayed: bool


@dataclass(frozen=True)
class DispatchResult:
    """What came of a cutter's write, and the chunks done so far. Only ``ok`` changed anything."""

    outcome: Literal["ok", "full", "hole", "fenced", "gone"]
    done: int


@dataclass(frozen=True)
class Cut:
    """The cutter's place after some frames. ``state``: what its successor needs; ``chunks``: how many the whole file
    has, None while it goes on; ``samples``: how long it is, then."""

    committed_samples: int
    committed_seq: int
    state: bytes
    chunks: int | None = None
    samples: int = 0


class JobStreams:
    """Atomic writes to the keys of jobs; all of them may be repeated."""

    def __init__(self, lane: Pipeline) -> None:
        self._lane = lane
        self._create = _function("create_jobs")
        self._hand_out = _function("hand_out")
        self._finish = _function("finish_job")
        self._store_part = _function("store_part")

    async def create(
        self, jobs: Sequence[NewJob], now_ms: float, *, key_hash: str = "", fingerprint: str = ""
    ) -> Created | None:
        """Makes the jobs of one request and puts them in the queue; at most once for one ``key_hash`` within a day.

        None: under that key something else was asked.
        """
        arguments: list[Argument] = [fingerprint if key_hash else "", int(now_ms), keys.JOB_TTL_S]
        for job in jobs:
            arguments += [job.job_id, job.epoch, job.config]
        states = [keys.job_keys(job.job_id).state for job in jobs]
        answer: list[bytes] = await self._lane.call(
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
        """The cutter's write: ``chunks`` (message, s16le samples) after the ``before`` that went out, and its place."""
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
        answer: list[Any] = await self._lane.call(
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
        """Ends a job; False when it had ended before. ``part`` and ``workers``: what killed whom."""
        arguments: list[Argument] = [epoch, status, result, error, int(now_ms), keys.JOB_TTL_S]
        arguments += [part, " ".join(workers), MAX_DEAD_KEPT, at.id]
        at_keys = [at.state, keys.job_parts(at.id), at.pcm_log, keys.JOBS_DEAD]
        return bool(await self._lane.call(self._finish, at_keys, arguments))

    async def store_part(
        self, at: StreamKeys, epoch: str, index: int, result: bytes, *, language: str, n_samples: int
    ) -> tuple[int, int] | None:
        """Keeps a chunk's result; answers (stored, in all or -1), None when the job has ended."""
        arguments: list[Argument] = [epoch, index, result, language, n_samples, keys.JOB_TTL_S]
        answer: list[Any] = await self._lane.call(self._store_part, [at.state, keys.job_parts(at.id)], arguments)
        return (int(answer[1]), int(answer[2])) if answer[0] == b"ok" else None


def _function(name: str) -> LuaFunction:
    return LuaFunction.of(resources.files("stt_shared.streams").joinpath(f"scripts/{name}.lua").read_text())
