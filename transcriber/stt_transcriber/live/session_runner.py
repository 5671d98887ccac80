"""Input and output of a live session of core/live: frames from Redis, decodes from the pool, outcomes to Redis."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from stt_shared.contracts.errors import ERRORS, SttError
from stt_shared.contracts.events import Configured, Error, Event, Notice
from stt_shared.contracts.frames import Frame, FrameKind
from stt_shared.contracts.makers import Maker
from stt_shared.contracts.speakers import NO_SPEAKERS
from stt_shared.process.clock import monotonic_ms, wall_ms
from stt_shared.process.metrics import ERRORS_TOTAL, StageTimings
from stt_shared.process.tasks import cancel_and_wait
from stt_shared.process.tracing import tracer
from stt_shared.streams.keys import STAGE_GATEWAY
from stt_shared.streams.ownership import OwnershipLost, RolledBack, Standing
from stt_shared.streams.reader import LogHole
from stt_shared.streams.session_state import SessionState
from stt_shared.work.stage import Assignment
from stt_transcriber.core.decoding import KEYTERMS_IGNORED
from stt_transcriber.core.live.outcome import Advance, Outcome
from stt_transcriber.core.live.start import live_session
from stt_transcriber.core.schedule.draft_throttle import DraftThrottle
from stt_transcriber.core.schedule.pacing import DraftPacing
from stt_transcriber.core.schedule.scheduler import Kind
from stt_transcriber.decode.pool import Decoded, Request
from stt_transcriber.live.conversation import Speaker
from stt_transcriber.live.known_speakers import forget_deleted, know_speakers
from stt_transcriber.live.outcome_writer import OutcomeWriter
from stt_transcriber.live.parts import LiveParts
from stt_transcriber.live.steps import SessionSteps
from stt_transcriber.live.utterance_trace import UtteranceTraces
from stt_transcriber.metrics import REJECTED
from stt_transcriber.models.store import ModelError

DEADLOCKED_MS = 5000.0
"""Time without a frame after which a full log with nothing to decode counts as deadlocked."""
_DRAFTS = (Kind.FIRST, Kind.PARTIAL)
FROZEN_MS = 15_000.0
"""Time after which a gateway that does not live is dead; a shorter one may have frozen it alone."""
UNFINISHED_MS = 60_000.0
"""Longest wait for audio once the client has sent `stop`."""


class SpeakingSessions(Protocol):
    """Record of the sessions that are in the middle of an utterance; they share the model's time."""

    def set_speaking(self, runner: "SessionRunner", speaking: bool) -> None:
        """Record whether a session is in the middle of an utterance."""
        ...

    def pace(self, now_ms: float) -> DraftPacing:
        """Return how often each of them may have a draft."""
        ...


class SessionRunner:
    """Runner of one session from its committed position to `done`; as a ``DecodeSource``, it requests its decodes."""

    def __init__(self, parts: LiveParts, speaking: SpeakingSessions, assignment: Assignment) -> None:
        self._parts = parts
        self._speaking = speaking
        self._assignment = assignment
        self._owner = assignment.owner
        self.id = assignment.owner.keys.id
        self.session_id = assignment.owner.keys.name
        self.key = f"live {self.id} {assignment.owner.epoch}"
        self.log = structlog.get_logger().bind(session_id=self.id)
        state = SessionState.read(assignment.fields)
        self._config = state.config
        self._resume_window_ms = state.resume_window_s * 1000
        self._committed_seq = state.committed_seq
        self._committed_samples = state.committed_samples
        self._session = live_session(
            self.session_id,
            state.config,
            parts.policy,
            parts.new_vad,
            committed=Advance(state.committed_samples, state.committed_seq, state.context, state.voices),
            finals=state.finals,
            showing=state.showing,
        )
        self._warned = False  # that the engine ignores keyterms
        self._timings = StageTimings()
        maker = Maker(assignment.owner.keys.tenant, state.key_id)
        speaker = Speaker(maker, self.session_id, state.config, state.resume_token, state.finals)
        self._traces = UtteranceTraces(assignment.owner, assignment.replica_id) if tracer().is_on else None
        self._writer = OutcomeWriter(parts.bus, assignment.owner, speaker, self._timings, self._traces)
        self._steps = SessionSteps(None)
        self._drafts = DraftThrottle()
        self._is_drafting = False
        self._turn = asyncio.Lock()  # serializes state changes and their events
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._read_samples: int | None = None

    async def run(self) -> None:
        """Run the session until it is over.

        Raises OwnershipLost when it has another owner or is gone, and RolledBack.
        """
        try:
            self._steps = SessionSteps(await self._parts.guard.session(self._assignment, "committed_samples"))
        except SttError as error:
            await self._fail(error.code, error.message)
            return
        if not self._committed_seq:
            await self._warn_of_keyterms(self._config.keyterms)
        forgetting = await self._know_speakers()
        loading = asyncio.create_task(self._load_voices(), name="session voices")
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
            await cancel_and_wait(reading, waiting, loading, *forgetting)
            # Under the lock: an outcome that is being applied must not begin a step that nothing ends.
            async with self._turn:
                await self._steps.clear()

    async def _warn_of_keyterms(self, keyterms: Sequence[str]) -> None:
        """Tell the client once that its keyterms have no effect, if that is so."""
        if keyterms and not self._parts.pool.biased_by_keyterms and not self._warned:
            self._warned = True
            code, message = KEYTERMS_IGNORED
            await self._write(Outcome(Notice(session_id=self.session_id, code=code, message=message)))

    async def _load_voices(self) -> None:
        """Load the model of voices, if they are wanted, before the first final; tell the client if there is none."""
        if self._config.speakers is None:
            return
        try:
            await asyncio.to_thread(self._parts.load_voices)
        except ModelError as error:
            self.log.warning("no voices", cause=str(error))
            message = "speakers cannot be told apart: a transcriber lacks the model (stt models pull diarization)"
            async with self._turn:
                if not self._over.is_set():
                    await self._write(Outcome(Notice(session_id=self.session_id, code=NO_SPEAKERS, message=message)))

    async def _know_speakers(self) -> list[asyncio.Task[None]]:
        """Learn who is known, if that is wanted; return the task that keeps it true."""
        telling = self._session.telling
        if telling is None or not self._config.known_speakers:
            return []
        of_tenant = telling, self._parts.bus.jobs, self._owner.keys.tenant
        await know_speakers(*of_tenant)
        return [asyncio.create_task(forget_deleted(*of_tenant), name="session known speakers")]

    async def _read(self) -> None:
        reader = self._parts.bus.sessions.read_pcm(self._owner.keys, self._committed_seq)
        last_frame_ms = monotonic_ms()
        try:
            async for frame in reader.items():
                if frame is None:
                    async with self._turn:
                        await self._steps.pause()
                    quiet_ms = monotonic_ms() - last_frame_ms
                    if not await self._can_continue(quiet_ms, reader.position):
                        return
                    if await self._is_orphaned(quiet_ms):
                        self.log.info("session stopped", cause="its gateway is dead")
                        await self._feed(Frame(reader.position + 1, FrameKind.STOP))
                        return
                    continue
                last_frame_ms = monotonic_ms()
                await self._feed(frame)
                if frame.kind is FrameKind.STOP:
                    return
        except LogHole as hole:
            async with self._turn:
                self.log.error("audio lost", position=hole.position, found=hole.found)
                await self._fail("internal", "audio was lost on its way to the transcriber")

    async def _can_continue(self, quiet_ms: float, read_seq: int) -> bool:
        """Check that the session is still owned and can continue; called after each second without frames.

        A session that was superseded or has ended gets no more frames that would reveal it. ``read_seq``: the last
        frame read. Returns False once the session is over; raises OwnershipLost when it has another owner or is gone,
        and RolledBack.
        """
        progress = await self._parts.bus.sessions.progress(self._owner)
        if progress.standing is not Standing.OWNER:
            raise OwnershipLost("superseded, ended or expired")
        if progress.pcm_seq < read_seq:
            raise RolledBack("the log is behind its reader")
        async with self._turn:
            if self._over.is_set():
                return False
            if quiet_ms >= self._parts.silence_s * 1000:
                await self._fail("idle", f"no audio for {self._parts.silence_s:g} s")
            elif self._steps.decoding:
                return True
            elif quiet_ms >= DEADLOCKED_MS and progress.is_pcm_log_full:
                self.log.error("session stalled", cause="log full, nothing to decode")
                await self._fail("internal", "the session came to a standstill; connect again")
            elif quiet_ms >= UNFINISHED_MS and progress.is_stopped:
                await self._fail("no_worker", f"the end of the audio was not decoded within {UNFINISHED_MS / 1000:g} s")
            else:
                return True
        return False

    async def _is_orphaned(self, quiet_ms: float) -> bool:
        """Whether the gateway is dead, all of its audio was fed, and nobody has resumed the session in time.

        Nobody else would stop it: its last words would not be told to anybody, and its place would be taken.
        """
        if quiet_ms < max(self._resume_window_ms, FROZEN_MS):
            return False
        sessions = self._parts.bus.sessions
        gateway = await sessions.owner_of(self._owner.keys, STAGE_GATEWAY)
        if not gateway or await self._parts.bus.replicas.is_alive(gateway):
            return False
        progress = await sessions.progress(self._owner)
        return progress.consumed_seq >= progress.audio_seq and not progress.is_stopped

    async def _feed(self, frame: Frame) -> None:
        meta = frame.meta
        if frame.kind is FrameKind.AUDIO:
            # Frames that are written again after a failover may begin elsewhere.
            if self._read_samples not in (None, meta.start_sample):
                raise RolledBack("a frame does not begin where the one before it ends")
            self._read_samples = meta.start_sample + len(frame.data) // (2 * max(1, len(meta.channels)))
        async with self._turn, self._steps.frame(meta.received_ms):
            began, arrived_ms = monotonic_ms(), wall_ms()
            self._session.feed(frame, arrived_ms)
            if frame.kind is FrameKind.AUDIO:
                self._timings.add("queue", meta.queue_ms)
                self._timings.add("decode", meta.decode_ms)
                self._timings.add("vad", monotonic_ms() - began)
                if self._traces is not None:
                    self._traces.heard(frame, arrived_ms)
            await self._proceed()

    def next_request(self) -> Request | None:
        """Begin the decode that is due; called by the pool when the model is free."""
        ticket = self._session.begin()
        if ticket is None:
            self._steps.cancel_decode()
            return None
        if ticket.kind is not Kind.TURN:
            self._drafts.began(monotonic_ms())
        self._is_drafting = ticket.kind in _DRAFTS
        if self._traces is not None:
            self._traces.began(ticket)
        return ticket.request

    async def deliver(self, decoded: Decoded) -> None:
        """Apply the outcome of a decode."""
        try:
            async with self._turn:
                if not self._over.is_set():
                    async with self._steps.result():
                        await self._apply(decoded)
        except BaseException as error:
            self._failure = error
            self._over.set()
            if not isinstance(error, Exception):
                raise

    async def _apply(self, decoded: Decoded) -> None:
        self._timings.add("buffer", decoded.waited_ms)
        self._timings.add("infer", decoded.took_ms)
        if self._traces is not None:
            self._traces.ended(decoded)
        if self._is_drafting:
            self._drafts.took(decoded.took_ms, monotonic_ms())
        if decoded.probability is not None:
            self._session.judge(decoded.probability, wall_ms())
        elif decoded.hypothesis is None:
            self._session.fail(wall_ms())
        else:
            self._session.apply(decoded.hypothesis, wall_ms())
        await self._proceed()

    async def _proceed(self) -> None:
        """Act on any change: write outcomes, request the decode that is due, end a finished session."""
        for outcome in self._session.take_outcomes():
            await self._write(outcome)
        while self._session.rejected:
            REJECTED.labels(self._session.rejected.pop()).inc()
        if self._session.finished:
            await self._finish()
            return
        self._speaking.set_speaking(self, self._session.speaking)
        await self._request_decode()

    async def _write(self, outcome: Outcome) -> None:
        await self._writer.write(outcome)
        if isinstance(outcome.event, Configured):
            await self._warn_of_keyterms(outcome.event.keyterms)
        if outcome.advance is not None and outcome.advance.samples > self._committed_samples:
            await self._steps.clear()

    async def _request_decode(self) -> None:
        now_ms = monotonic_ms()
        pacing = self._speaking.pace(now_ms)
        self._session.speculates = pacing.spare
        kind = self._session.due_decode()
        if kind is None:
            return
        if kind in _DRAFTS:
            if self._drafts.pauses(pacing):
                message = "overloaded: partial results are paused; finals are not affected"
                notice = Notice(session_id=self.session_id, code="partials_paused", message=message)
                await self._write(Outcome(notice))
            if not self._drafts.allows(pacing, now_ms, just_begun=self._session.has_just_begun):
                return
        await self._steps.begin_decode()
        self._parts.pool.submit(kind, self._parts.policy.budget_wall_ms(kind), self)

    async def _finish(self) -> None:
        if error := self._session.stop_error:
            await self._fail(error.code if error.code in ERRORS else "internal", error.message)
            return
        await self._end(self._session.done(dict(self._timings.summary())))

    async def _fail(self, code: str, message: str) -> None:
        ERRORS_TOTAL.labels(code).inc()
        await self._end(Error(session_id=self.session_id, code=code, message=message, retryable=ERRORS[code].retryable))

    async def _end(self, event: Event) -> None:
        await self._writer.emit(event)
        self._over.set()
