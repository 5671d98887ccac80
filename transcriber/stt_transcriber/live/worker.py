"""Input and output of core/live/session.py: frames from Redis, decodes from the pool, events to Redis."""

import asyncio
from dataclasses import dataclass

import structlog

from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Error, Event, Final, Notice, Partial
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.session import session_state
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL, REFUSED_WRITES, SESSIONS, SESSIONS_TOTAL, StageTimings
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import WriteResult
from stt_shared.streams.reader import LogHole
from stt_shared.streams.sessions import Commit, pcm_log_is_full
from stt_shared.work.crash_guard import BEHIND_MS, CrashGuard, Probation
from stt_shared.work.stage import Assignment
from stt_transcriber.core.decoding import DecodeRequest
from stt_transcriber.core.live.outcome import Outcome
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.core.live.session import LiveSession
from stt_transcriber.core.schedule.pacing import DraftPacing
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode.pool import Decoded, ModelPool
from stt_transcriber.decode.text_metrics import REJECTED, count_unrecognized
from stt_transcriber.live.conversation import Speaker
from stt_transcriber.vad.models import VadFactory

DEADLOCKED_MS = 5000.0
"""Time without a frame after which a full log with nothing to decode counts as deadlocked."""
UNFINISHED_MS = 60_000.0
"""Longest wait for audio once the client has sent `stop`."""
_LOOKED_AT = ("epoch", "state", "stopped", "pcm_seq", "pcm_samples", "committed_seq", "committed_samples")


class _Lost(Exception):
    """Redis refused a write, or the session was superseded: it has another owner, or has ended."""


@dataclass(frozen=True)
class LiveParts:
    """Resources and settings that all sessions of a replica share."""

    bus: Bus
    pool: ModelPool
    new_vad: VadFactory
    policy: LivePolicy
    silence_s: float
    """Seconds without a frame from the gateway after which a session is ended."""
    guard: CrashGuard


class LiveWorker:
    """Live sessions of this replica; ``handle`` runs one session from its committed position to `done`."""

    def __init__(self, parts: LiveParts) -> None:
        self._parts = parts
        self._sessions = 0
        self._speaking: set[_Run] = set()

    @property
    def has_room(self) -> bool:
        """True when the model has time for the drafts of one more session."""
        return self._parts.pool.load.has_room(len(self._speaking), monotonic_ms())

    def speaks(self, run: "_Run", speaking: bool) -> None:
        """Record whether a session is in the middle of an utterance."""
        if speaking:
            self._speaking.add(run)
        else:
            self._speaking.discard(run)

    def may_move(self, session_id: str) -> bool:
        """Return True between utterances, where the next owner of the session has little audio to process again."""
        return all(run.session_id != session_id for run in self._speaking)

    def pace(self, now_ms: float) -> DraftPacing:
        """Return how often a session may have a draft."""
        return self._parts.pool.load.pace(len(self._speaking), now_ms)

    async def handle(self, assignment: Assignment) -> None:
        """Run one session. Returns when it is done, superseded or owned by another replica."""
        self._sessions += 1
        self._parts.pool.scheduler.sessions(self._sessions)
        SESSIONS.labels("transcriber").inc()
        SESSIONS_TOTAL.labels("transcriber").inc()
        run = _Run(self, self._parts, assignment)
        try:
            await run.until_done()
        except _Lost as lost:
            run.log.info("session left", reason=str(lost))
        finally:
            self._parts.pool.cancel(run)
            self.speaks(run, False)
            self._sessions -= 1
            self._parts.pool.scheduler.sessions(self._sessions)
            SESSIONS.labels("transcriber").dec()


class _Run:
    """Running state of one session."""

    def __init__(self, live: LiveWorker, parts: LiveParts, assignment: Assignment) -> None:
        self._live = live
        self._parts = parts
        self._assignment = assignment
        self._owner = assignment.owner
        state = session_state(assignment.fields)
        self._position = state.committed_seq
        self._speaker = Speaker(assignment.owner.keys.id, state.config, assignment.fields)
        self._session = LiveSession(
            assignment.owner.keys.id,
            state.config,
            parts.policy,
            parts.new_vad(),
            committed_samples=state.committed_samples,
            committed_seq=state.committed_seq,
            finals=state.finals,
            context=state.context,
            showing=state.partial > 0,
        )
        self._timings = StageTimings()
        self._turn = asyncio.Lock()  # serializes state changes and their events
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._drafted_ms = float("-inf")
        self._told_busy = False
        self._began_samples = state.committed_samples
        self._trial: Probation | None = None  # None unless workers died during this session
        self._asked = False  # a decode is pending or running
        self.key = f"live {assignment.owner.keys.id} {assignment.owner.epoch}"
        self.log = structlog.get_logger().bind(session_id=assignment.owner.keys.id)

    @property
    def session_id(self) -> str:
        return self._owner.keys.id

    async def until_done(self) -> None:
        try:
            self._trial = await self._parts.guard.session(self._assignment, "committed_samples")
        except SttError as error:
            await self._fail(error.code, error.message)
            return
        reading = asyncio.create_task(self._read(), name="session frames")
        waiting = asyncio.create_task(self._over.wait(), name="session end")
        try:
            await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
                await waiting
            if self._failure is not None:
                raise self._failure
        finally:
            await cancel_and_wait(reading, waiting)
            # Under the lock: an outcome that is being applied must not begin a step that nothing ends.
            async with self._turn:
                await self._acquit()

    async def _read(self) -> None:
        reader = self._parts.bus.sessions.read_pcm(self._owner.keys, self._position)
        last_frame = monotonic_ms()
        try:
            async for frame in reader.items():
                if frame is None:
                    async with self._turn:
                        await self._end_step()
                    if not await self._still_there(monotonic_ms() - last_frame):
                        return
                    continue
                last_frame = monotonic_ms()
                await self._take(frame)
                if frame.kind is FrameKind.STOP:
                    return
        except LogHole as hole:
            async with self._turn:
                self.log.error("audio lost", position=hole.position, found=hole.found)
                await self._fail("internal", "audio was lost on its way to the transcriber")

    async def _still_there(self, quiet_ms: float) -> bool:
        """Check that the session is still owned and can continue; called after each second without frames.

        A session that was superseded or has ended gets no more frames that would reveal it. Returns False once the
        session is over; raises _Lost when it has another owner or is gone.
        """
        epoch, state, stopped, *positions = await self._parts.bus.client.hmget(self._owner.keys.state, _LOOKED_AT)
        if epoch != self._owner.epoch.encode() or state != b"active":
            raise _Lost("superseded, ended or expired")
        async with self._turn:
            if self._over.is_set():
                return False
            if quiet_ms >= self._parts.silence_s * 1000:
                await self._fail("idle", f"no audio for {self._parts.silence_s:g} s")
            elif self._asked:
                return True
            elif quiet_ms >= DEADLOCKED_MS and pcm_log_is_full(*(int(position or 0) for position in positions)):
                self.log.error("session stalled", cause="log full, nothing to decode")
                await self._fail("internal", "the session came to a standstill; connect again")
            elif quiet_ms >= UNFINISHED_MS and stopped:
                await self._fail("no_worker", f"the end of the audio was not decoded within {UNFINISHED_MS / 1000:g} s")
            else:
                return True
        return False

    async def _take(self, frame: Frame) -> None:
        meta = frame.meta
        async with self._turn:
            await self._begin_step()
            if frame.kind is FrameKind.AUDIO:
                self._timings.add("queue", meta.queue_ms)
                self._timings.add("decode", meta.decode_ms)
            began = monotonic_ms()
            self._session.feed(frame, wall_ms())
            if frame.kind is FrameKind.AUDIO:
                self._timings.add("vad", monotonic_ms() - began)
            await self._go_on()
            if wall_ms() - meta.received_ms < BEHIND_MS:
                await self._end_step()

    async def _begin_step(self) -> None:
        """Begin a step of the trial: if workers died during this session, the next step may kill this process too."""
        if self._trial is not None:
            await self._trial.begin()

    async def _end_step(self) -> None:
        if self._trial is not None and not self._asked:
            await self._trial.end()

    async def _acquit(self) -> None:
        """End the trial: the session is not to blame for crashes, or leaves this replica."""
        trial, self._trial = self._trial, None
        if trial is not None:
            await trial.end()

    async def _go_on(self) -> None:
        """Act on any change: publish outcomes, request the decode that is due, end a finished session."""
        await self._tell(self._session.take_outcomes())
        while self._session.rejected:
            REJECTED.labels(self._session.rejected.pop()).inc()
        if self._session.finished:
            await self._finish()
            return
        self._live.speaks(self, self._session.speaking)
        now = monotonic_ms()
        pace = self._live.pace(now)
        self._session.speculates = pace.spare
        kind = self._session.due_decode()
        if kind is None:
            return
        # Under load a session requests drafts less often, then not at all: finals come first.
        if kind is not Kind.FINAL:
            await self._say_if_busy(pace)
            interval_ms = pace.young_interval_ms if self._session.has_just_begun else pace.interval_ms
            if not pace.drafts or now < self._drafted_ms + interval_ms:
                return
        await self._begin_step()
        self._asked = True
        policy = self._parts.policy
        budget = {Kind.FINAL: policy.final_budget_wall_ms, Kind.FIRST: policy.first_budget_wall_ms}
        self._parts.pool.submit(kind, budget.get(kind, policy.max_partial_interval_ms), self)

    async def _say_if_busy(self, pace: DraftPacing) -> None:
        """Notify the client once each time that drafts stop, so that it knows why there are no partials."""
        if pace.drafts:
            self._told_busy = False
        elif not self._told_busy:
            self._told_busy = True
            message = "overloaded: partial results are paused; finals are not affected"
            notice = Notice(session_id=self._owner.keys.id, code="partials_paused", message=message)
            await self._tell([Outcome(notice)])

    def next_request(self) -> DecodeRequest | None:
        """Begin the decode that is due; called by the pool when the model is free."""
        ticket = self._session.begin()
        if ticket is None:
            self._asked = False
            return None
        self._drafted_ms = monotonic_ms()
        return ticket.request

    async def deliver(self, decoded: Decoded) -> None:
        """Apply the outcome of a decode."""
        try:
            async with self._turn:
                if self._over.is_set():
                    return
                self._asked = False
                await self._end_step()
                self._timings.add("buffer", decoded.waited_ms)
                self._timings.add("infer", decoded.took_ms)
                if decoded.hypothesis is None:
                    self._session.fail(wall_ms())
                else:
                    self._session.apply(decoded.hypothesis, wall_ms())
                await self._go_on()
                await self._end_step()
        except BaseException as error:
            self._failure = error
            self._over.set()
            if not isinstance(error, Exception):
                raise

    async def _tell(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            advance = outcome.advance
            commit = Commit(advance.samples, advance.seq, advance.context) if advance else None
            began = monotonic_ms()
            if outcome.event is None:
                assert commit is not None
                written = await self._parts.bus.sessions.commit(self._owner, commit)
            else:
                # Before the commit: if this worker died after it, no other would send this final again.
                if isinstance(outcome.event, Final):
                    await self._say(outcome.event)
                written, _ = await self._parts.bus.sessions.emit(self._owner, outcome.event, commit)
                self._timings.add("emit", monotonic_ms() - began)
            self._check(written)
            count_unrecognized(outcome.event)
            if commit is not None and commit.samples > self._began_samples:
                await self._acquit()
            if isinstance(outcome.event, Partial) and (unsettled := self._speaker.unsettled(outcome.event)):
                await self._parts.bus.conversations.publish_live(unsettled)

    async def _say(self, final: Final) -> None:
        utterance = self._speaker.utterance(final, wall_ms())
        if utterance is not None:
            await self._parts.bus.conversations.send(utterance)

    def _check(self, written: WriteResult) -> None:
        if written in (WriteResult.FENCED, WriteResult.GONE, WriteResult.HOLE):
            REFUSED_WRITES.labels(written.value).inc()
            raise _Lost(written.value)

    async def _finish(self) -> None:
        if error := self._session.stop_error:
            await self._fail(error.code if error.code in ERRORS else "internal", error.message)
            return
        await self._end(self._session.done(dict(self._timings.summary())))

    async def _fail(self, code: str, message: str) -> None:
        ERRORS_TOTAL.labels(code).inc()
        error = Error(session_id=self._owner.keys.id, code=code, message=message, retryable=ERRORS[code].retryable)
        await self._end(error)

    async def _end(self, event: Event) -> None:
        written, _ = await self._parts.bus.sessions.emit(self._owner, event)
        self._check(written)
        self._over.set()
