"""What workers died of: tried again with a mark, one at a time, and given up after some deaths.

Without the mark, whatever kills its worker would take its neighbours along: they die with the same workers. The parts
of a job are on trial as a whole. A session is not, for others speak meanwhile: its steps are (hearing a frame, a
decode), until it has got on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import structlog
from redis.asyncio import Redis

from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobError, JobStatus
from stt_shared.contracts.session import encode_json
from stt_shared.process.clock import wall_ms
from stt_shared.streams import keys
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.sessions import SessionStreams
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()

MAX_CRASHES = 3
"""So many workers may die of one part of a job; then it is to blame."""
STAGE_ALONE_FROM = 2
MAX_SESSION_CRASHES = 8
"""The same of a session. More, for nobody sends its words again: where workers are killed one after another for other
reasons, three deaths within one long utterance do happen."""
ALONE_FROM = 5
"""A session that so many died of takes its steps alone. Of two always on trial together, both would be blamed."""
BEHIND_MS = 1000.0
"""Frames that have waited so long come in a row, and need not be a step each."""
ALONE_WAIT_S = 10.0
"""So long it waits for that; some trials of jobs take minutes."""
STAGE_LATER_S = 3.0
SUSPECT_TTL_S = 3600

_LEFT = "left"


class Probation:
    """The steps of a session that workers died of. ``begin`` before what may kill, ``end`` behind it; both may be
    repeated. Raises the errors of Redis."""

    def __init__(self, new_step: Callable[[], contextlib.AbstractAsyncContextManager[None]]) -> None:
        self._new_step = new_step
        self._step: contextlib.AbstractAsyncContextManager[None] | None = None

    async def begin(self) -> None:
        """Returns when the session may go on."""
        if self._step is None:
            step = self._new_step()
            await step.__aenter__()
            self._step = step

    async def end(self) -> None:
        """It went well."""
        step, self._step = self._step, None
        if step is not None:
            await step.__aexit__(None, None, None)


class CrashGuard:
    """What all work in one process shares. For one event loop.

    One chunk and one stage (decoding or cutting a file) may be on trial at once. A chunk is the stronger suspect: its
    trial is short, and waits for no stage; a stage's begins when no chunk is on trial.
    """

    def __init__(self, client: Redis, functions: SessionStreams) -> None:
        self._client = client
        self._functions = functions
        self._alone = asyncio.Lock()
        self._one_stage = asyncio.Lock()
        self._telling = asyncio.Lock()
        self._told: set[str] = set()
        self._chunk = ""
        self._stage = ""
        self._steps: set[str] = set()
        self._left = False

    @contextlib.asynccontextmanager
    async def chunk(self, at: StreamKeys, epoch: str, index: int, replica: str, follows: str) -> AsyncIterator[bool]:
        """Entered when ``replica`` may work on the chunk; gives False when it was given up, and its job with it.

        ``follows``: the dead worker that had it, '' for none.
        """
        part = f"chunk {index}"
        crashes = await self._crashes(at, epoch, part, follows, "-")
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        async with self._alone:
            try:
                self._chunk = _name(at, part)
                await self._tell(replica)
                yield True
            finally:
                self._chunk = ""
                await self._tell(replica)

    @contextlib.asynccontextmanager
    async def stage(
        self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str, progress_field: str
    ) -> AsyncIterator[bool]:
        """The same for a stage of a job; ``progress_field`` of the job's hash tells how far it is."""
        crashes = await self._crashes(at, epoch, stage, follows, progress_field)
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        if crashes >= STAGE_ALONE_FROM:
            # Its trial takes long: sessions that are on trial as well take their first steps before it.
            await asyncio.sleep(STAGE_LATER_S)
        async with self._one_stage:
            async with self._alone:
                self._stage = _name(at, stage)
            try:
                await self._tell(replica)
                yield True
            finally:
                self._stage = ""
                await self._tell(replica)

    async def session(self, assignment: Assignment, progress_field: str) -> Probation | None:
        """How a session is to be gone on with: None, nothing is held against it. A trial is over when
        ``progress_field`` of its hash has moved. Raises SttError when the session is given up."""
        owner, fields = assignment.owner, assignment.fields
        at, stage = owner.keys, owner.stage
        workers = _held_against(fields, stage, progress_field)
        if assignment.follows:
            named = await self._named(assignment.follows)
            # Who was on trial was named whenever it could do harm.
            blamed = _name(at, stage) in named or not (named or workers)
            workers = await self._functions.count_crash(
                at, owner.epoch, stage, assignment.follows, progress_field=progress_field, blamed=blamed
            )
        if len(workers) >= MAX_SESSION_CRASHES:
            _log.error("session given up: its workers died", session_id=at.id, stage=stage, workers=workers)
            raise SttError("bad_audio", f"{len(workers)} workers died, one after another, of this session's audio")
        if not workers:
            return None
        replica = fields.get(f"owner:{stage}".encode(), b"").decode()
        return Probation(lambda: self._step(_name(at, stage), replica, alone=len(workers) >= ALONE_FROM))

    async def leave(self, replica: str) -> None:
        """``replica`` ends in good order: whatever is found in its hands afterwards is not to blame."""
        self._left = True
        await self._tell(replica)

    @contextlib.asynccontextmanager
    async def _step(self, name: str, replica: str, *, alone: bool) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if alone:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALONE_WAIT_S):
                        await stack.enter_async_context(self._alone)
            self._steps.add(name)
            try:
                await self._tell(replica)
                yield
            finally:
                self._steps.discard(name)
                await self._tell(replica)

    async def _crashes(self, at: StreamKeys, epoch: str, part: str, follows: str, progress_field: str) -> int | None:
        """How many workers died of the part; None: so many that it was given up."""
        if not follows:
            return 0
        named = await self._named(follows)
        blamed = not named or _name(at, part) in named
        workers = await self._functions.count_crash(
            at, epoch, part, follows, progress_field=progress_field, blamed=blamed
        )
        if len(workers) < MAX_CRASHES:
            return len(workers)
        _log.error("job given up: its workers died", job_id=at.id, part=part, workers=workers)
        message = f"{len(workers)} workers died, one after another, of this file (part: {part})"
        await self._functions.jobs.finish(
            at,
            epoch,
            JobStatus.FAILED,
            error=encode_json(JobError("internal", message)),
            now_ms=wall_ms(),
            part=part,
            workers=workers,
        )
        return None

    async def _named(self, replica: str) -> set[str]:
        lines: Any = await self._client.get(keys.replica_quarantine(replica))
        return set((lines or b"").decode().splitlines())

    async def _tell(self, replica: str) -> None:
        # One after the other, or an earlier word could come last. Who waited may find it said: many sessions are on
        # trial when a worker of many dies, and each would wait for all others.
        async with self._telling:
            names = {self._chunk or self._stage, *self._steps, _LEFT if self._left else ""} - {""}
            if names == self._told:
                return
            key = keys.replica_quarantine(replica)
            if names:
                await self._client.set(key, "\n".join(sorted(names)), ex=SUSPECT_TTL_S)
            else:
                await self._client.delete(key)
            self._told = names


def _held_against(fields: Mapping[bytes, bytes], stage: str, progress_field: str) -> list[str]:
    """The workers that a session's hash says died of it, if it has not got on since; see count_crash.lua."""
    if fields.get(f"crashed_at:{stage}".encode(), b"") != fields.get(progress_field.encode(), b""):
        return []
    return fields.get(f"crashed:{stage}".encode(), b"").decode().split()


def _name(at: StreamKeys, part: str) -> str:
    """How a part of a job, or a stage of a session, is told among the suspects."""
    return f"{at.state} {part}"
