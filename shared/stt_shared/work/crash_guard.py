"""Crash guard: retries work that killed its worker, marked and one piece at a time, and gives it up after some deaths.

Without the mark, work that kills its worker would end its neighbours too, because they are in hand when the same
workers die. A part of a job is on probation as a whole. A session is not, because other sessions continue meanwhile:
only its steps are (VAD on a frame, a decode), until the session makes progress.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from stt_shared.contracts.errors import SttError
from stt_shared.contracts.jobs import JobError, JobStatus
from stt_shared.contracts.session import encode_json
from stt_shared.process.clock import wall_ms
from stt_shared.streams.bus import Bus
from stt_shared.streams.keys import StreamKeys
from stt_shared.streams.session_state import past_crashes
from stt_shared.work.stage import Assignment

_log = structlog.get_logger()

MAX_CRASHES = 3
"""Deaths of workers after which one part of a job is blamed and its job is given up."""
STAGE_ALONE_FROM = 2
MAX_SESSION_CRASHES = 8
"""Deaths of workers after which a session is given up. The limit is higher than for jobs because nobody sends the
session's words again: where workers are killed one after another for other reasons, three deaths within one long
utterance do happen."""
ALONE_FROM = 5
"""Deaths from which a session takes its steps alone. If two sessions were always on probation together, both would be
blamed."""
BEHIND_MS = 1000.0
"""Delay from which frames arrive in bursts, so that each need not be a step of its own."""
ALONE_WAIT_S = 10.0
"""Maximum wait of a session for taking a step alone, because the probation of some jobs takes minutes."""
STAGE_LATER_S = 3.0

_LEFT = "left"


class Probation:
    """Steps of a session that workers died of.

    Call ``begin`` before an operation that may kill the process and ``end`` after it; both may be repeated. Both raise
    the errors of Redis.
    """

    def __init__(self, new_step: Callable[[], contextlib.AbstractAsyncContextManager[None]]) -> None:
        self._new_step = new_step
        self._step: contextlib.AbstractAsyncContextManager[None] | None = None

    async def begin(self) -> None:
        """Begin a step; return when the session may continue."""
        if self._step is None:
            step = self._new_step()
            await step.__aenter__()
            self._step = step

    async def end(self) -> None:
        """End the step, which did not kill the process."""
        step, self._step = self._step, None
        if step is not None:
            await step.__aexit__(None, None, None)


class CrashGuard:
    """Crash guard that all work in one process shares. For one event loop.

    One chunk and one stage (decoding or cutting a file) may be on probation at once. The chunk is the stronger suspect:
    its probation is short and waits for no stage, while the probation of a stage begins when no chunk is on probation.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._alone = asyncio.Lock()
        self._one_stage = asyncio.Lock()
        self._storing = asyncio.Lock()
        self._stored: set[str] = set()
        self._chunk = ""
        self._stage = ""
        self._steps: set[str] = set()
        self._left = False

    @contextlib.asynccontextmanager
    async def chunk(self, at: StreamKeys, epoch: str, index: int, replica: str, follows: str) -> AsyncIterator[bool]:
        """Enter when ``replica`` may work on the chunk; yield False when the chunk and its job were given up.

        ``follows``: the dead worker that had the chunk, '' for none.
        """
        part = f"chunk {index}"
        crashes = await self._crashes(at, epoch, part, follows, "-")
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        async with self._alone:
            try:
                self._chunk = _name(at, part)
                await self._store_quarantine(replica)
                yield True
            finally:
                self._chunk = ""
                await self._store_quarantine(replica)

    @contextlib.asynccontextmanager
    async def stage(
        self, at: StreamKeys, epoch: str, stage: str, replica: str, follows: str, progress_field: str
    ) -> AsyncIterator[bool]:
        """Enter when ``replica`` may work on a stage of a job; yield False when the job was given up.

        ``progress_field``: field of the job's hash with the progress of the stage.
        """
        crashes = await self._crashes(at, epoch, stage, follows, progress_field)
        if crashes is None or crashes == 0:
            yield crashes is not None
            return
        if crashes >= STAGE_ALONE_FROM:
            # Its probation takes long, so sessions on probation take their first steps before it.
            await asyncio.sleep(STAGE_LATER_S)
        async with self._one_stage:
            async with self._alone:
                self._stage = _name(at, stage)
            try:
                await self._store_quarantine(replica)
                yield True
            finally:
                self._stage = ""
                await self._store_quarantine(replica)

    async def session(self, assignment: Assignment, progress_field: str) -> Probation | None:
        """Return the probation of a session, None when no worker died of it.

        The probation is over when ``progress_field`` of the session's hash has changed. Raises SttError when the
        session is given up.
        """
        owner = assignment.owner
        at, stage = owner.keys, owner.stage
        workers = past_crashes(assignment.fields, stage, progress_field)
        if assignment.follows:
            named = await self._bus.replicas.quarantine(assignment.follows)
            # A session on probation was marked whenever it could kill its worker.
            blamed = _name(at, stage) in named or not (named or workers)
            workers = await self._bus.sessions.count_crash(
                at, owner.epoch, stage, assignment.follows, progress_field=progress_field, blamed=blamed
            )
        if len(workers) >= MAX_SESSION_CRASHES:
            _log.error("session quarantined: its workers died", session_id=at.id, stage=stage, workers=workers)
            raise SttError("bad_audio", f"{len(workers)} workers died, one after another, of this session's audio")
        if not workers:
            return None
        return Probation(lambda: self._step(_name(at, stage), assignment.replica_id, alone=len(workers) >= ALONE_FROM))

    async def leave(self, replica: str) -> None:
        """Record that ``replica`` stops in an orderly way: work left in its hands is not to blame."""
        self._left = True
        await self._store_quarantine(replica)

    @contextlib.asynccontextmanager
    async def _step(self, name: str, replica: str, *, alone: bool) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if alone:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ALONE_WAIT_S):
                        await stack.enter_async_context(self._alone)
            self._steps.add(name)
            try:
                await self._store_quarantine(replica)
                yield
            finally:
                self._steps.discard(name)
                await self._store_quarantine(replica)

    async def _crashes(self, at: StreamKeys, epoch: str, part: str, follows: str, progress_field: str) -> int | None:
        """Return the number of workers that died of the part; None when it was given up for that."""
        if not follows:
            return 0
        named = await self._bus.replicas.quarantine(follows)
        blamed = not named or _name(at, part) in named
        workers = await self._bus.sessions.count_crash(
            at, epoch, part, follows, progress_field=progress_field, blamed=blamed
        )
        if len(workers) < MAX_CRASHES:
            return len(workers)
        _log.error("job quarantined: its workers died", job_id=at.id, part=part, workers=workers)
        message = f"{len(workers)} workers died, one after another, of this file (part: {part})"
        await self._bus.jobs.finish(
            at,
            epoch,
            JobStatus.FAILED,
            error=encode_json(JobError("internal", message)),
            now_ms=wall_ms(),
            part=part,
            workers=workers,
        )
        return None

    async def _store_quarantine(self, replica: str) -> None:
        # One write at a time, or an earlier one could arrive last. A caller that waited may find its names written
        # already: when a worker with many sessions dies, all are on probation, and each would wait for all others.
        async with self._storing:
            names = {self._chunk or self._stage, *self._steps, _LEFT if self._left else ""} - {""}
            if names == self._stored:
                return
            await self._bus.replicas.set_quarantine(replica, names)
            self._stored = names


def _name(at: StreamKeys, part: str) -> str:
    """Return the name of a part of a job, or of a stage of a session, in the quarantine."""
    return f"{at.state} {part}"
