"""Cutting of files at pauses: one replica reads a job's audio and dispatches its chunks, which any replica transcribes.

If the replica dies, another one continues after the last chunk that was dispatched.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import msgspec
import numpy as np
import structlog

from stt_shared.contracts.frames import Frame, FrameKind, StreamError
from stt_shared.contracts.jobs import Chunk
from stt_shared.process.priority import lower_thread_priority
from stt_shared.process.tracing import tracer
from stt_shared.redis.outage import REDIS_ERRORS, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.job_state import JobState
from stt_shared.streams.jobs import Cut, JobStreams
from stt_shared.streams.ownership import Ownership, OwnershipLost, RolledBack
from stt_shared.streams.reader import LogHole
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment
from stt_transcriber.core.files.channel_cutters import ChannelCutters
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.files import cutter_state
from stt_transcriber.files.job_result import complete_if_done, complete_job, run_while_active
from stt_transcriber.vad.models import VadFactory, VadModel

_log = structlog.get_logger()

MAX_CHUNKS_WAITING = 32
"""Most unfinished chunks of one job in Redis: at 28 s each, some 28 MB. One file can keep four replicas busy."""
ROOM_CHECK_S = 0.1
SAVE_EVERY_FRAMES = 8
"""Most frames between two writes of the cutter's state, which is also written with each chunk; a takeover processes
up to this many frames again."""


class FileCutter:
    """Stage of a job that reads its PCM log, cuts it and dispatches the chunks. ``handle`` runs one job."""

    def __init__(
        self,
        bus: Bus,
        new_vad: VadFactory,
        policy: LivePolicy,
        guard: CrashGuard,
    ) -> None:
        self._bus = bus
        self._new_vad = new_vad
        self._policy = policy
        self._guard = guard
        self._threads = ThreadPoolExecutor(thread_name_prefix="cutter", initializer=lower_thread_priority)

    async def handle(self, assignment: Assignment) -> None:
        """Cut one job to its end; returns when all its chunks are dispatched. Raises RolledBack."""
        owner = assignment.owner
        at, epoch = owner.keys, owner.epoch
        try:
            replica, follows = assignment.replica_id, assignment.follows
            state = JobState.read(assignment.fields)
            traceparent = state.config.traceparent if state else ""
            with tracer().span("cut", traceparent, job_id=at.id, replica=replica):
                async with self._guard.stage(
                    at, epoch, keys.STAGE_TRANSCRIBER, replica, follows, "committed_samples"
                ) as allowed:
                    if allowed:
                        await run_while_active(until_answered(lambda: self._cut(owner)), self._bus, owner)
        except (RolledBack, *REDIS_ERRORS):
            raise
        except Exception:
            await self._bus.jobs.fail(at, epoch, "internal", "the file could not be cut into parts")
            raise

    async def _cut(self, owner: Ownership) -> None:
        """Cut from the position in the job's hash to the end. May be repeated after a loss of the connection."""
        state = await self._bus.jobs.state(owner.keys.id, with_cutter=True)
        if state is None or not await self._bus.jobs.owns(owner):
            return
        if state.chunks is not None:  # the previous owner dispatched the last chunk and then died
            await complete_if_done(self._bus, owner, state)
            return
        dispatcher = _ChunkDispatcher(self._bus.jobs, owner, state, self._new_vad, self._policy, self._threads)
        error: StreamError | None = None
        try:
            error = await self._feed(dispatcher, owner)
            if error is None and await dispatcher.finish():
                await complete_job(self._bus, owner)
        except OwnershipLost as reason:
            _log.info("file skipped", job_id=owner.keys.id, reason=str(reason))
        except LogHole:
            error = StreamError("internal", "audio of the file was lost on its way to the transcriber")
        # A successor trims the log too, so that a replica that was frozen finds a hole in it.
        if error is not None and await self._bus.jobs.owns(owner):
            await self._bus.jobs.fail(owner.keys, owner.epoch, error.code, error.message)

    async def _feed(self, dispatcher: "_ChunkDispatcher", owner: Ownership) -> StreamError | None:
        """Feed the file's audio to its end; return the error that ended it, if any."""
        async for frame in self._bus.jobs.read_pcm(owner.keys, dispatcher.committed_seq).items():
            if frame is None:
                continue
            dispatcher.begin(frame.meta.channels)
            if frame.kind is FrameKind.STOP:
                return frame.meta.error
            if frame.kind is FrameKind.AUDIO:
                await dispatcher.feed(frame)
        return None


class _ChunkDispatcher:
    """Cutters of one file that dispatches the chunks and stores its position in the job.

    ``committed_seq``: frames up to it are not needed again. ``feed`` and ``finish`` raise OwnershipLost when the job
    has ended or has another owner, and RolledBack when Redis has lost chunks.
    """

    def __init__(
        self,
        jobs: JobStreams,
        owner: Ownership,
        state: JobState,
        new_vad: VadFactory,
        policy: LivePolicy,
        threads: Executor,
    ) -> None:
        self._jobs = jobs
        self._owner = owner
        self._new_vad = new_vad
        self._policy = policy
        self._threads = threads
        self._dispatched = state.dispatched
        self._detects = state.config.language is None
        self._saved = state.cutter
        self._voices: list[VadModel] = []
        self._cutters = ChannelCutters((), ())
        self.committed_seq = state.committed_seq
        self._frame_ends: deque[tuple[int, int]] = deque()  # number and end sample of frames whose audio is not settled
        self._unsaved_frames = 0

    def begin(self, channels: Sequence[int]) -> None:
        """Begin with a file of these channels, none if they are mixed to one. Does nothing when it has begun."""
        if self._voices:
            return
        self._voices = [self._new_vad() for _ in channels or (None,)]
        cutters = [
            ChunkCutter(voice.probabilities, self._policy.gate, CutterPolicy(), detects=self._detects)
            for voice in self._voices
        ]
        if self._saved:
            cutter_state.restore(self._saved, cutters, self._voices)
        self._cutters = ChannelCutters(channels, cutters)

    async def feed(self, frame: Frame) -> None:
        """Add a frame and dispatch the chunks that it completes; ``begin`` must have been called."""
        cutters = self._cutters
        start = frame.meta.start_sample
        samples = np.frombuffer(frame.data, np.int16).reshape(-1, len(cutters.cutters))
        # The VAD model takes some milliseconds per second of audio: too long for the loop that serves live sessions.
        chunks = await asyncio.get_running_loop().run_in_executor(self._threads, cutters.feed, start, samples)
        self._frame_ends.append((frame.seq, start + len(samples)))
        while self._frame_ends and self._frame_ends[0][1] <= cutters.settled:
            self.committed_seq = self._frame_ends.popleft()[0]
        self._unsaved_frames += 1
        if chunks or self._unsaved_frames >= SAVE_EVERY_FRAMES:
            await self._dispatch(chunks, is_last=False)

    async def finish(self) -> bool:
        """Dispatch the last chunks; True when all chunks of the file are already done."""
        return await self._dispatch(self._cutters.finish(), is_last=True) == self._dispatched

    async def _dispatch(self, cut: list[CutChunk], *, is_last: bool) -> int:
        """Dispatch chunks and store the cutter's state; return how many chunks of the job are done."""
        cutters = self._cutters
        messages = [
            (msgspec.json.encode(self._chunk(self._dispatched + n, chunk)), chunk.samples.tobytes())
            for n, chunk in enumerate(cut)
        ]
        total = self._dispatched + len(cut) if is_last else None
        state = cutter_state.packed(cutters.cutters, self._voices)
        n_channels = len(cutters.cutters)
        position = Cut(cutters.settled, self.committed_seq, state, total, cutters.position, n_channels)
        while True:
            if messages:
                await self._wait_for_room()
            result = await self._jobs.dispatch_chunks(
                self._owner, messages, position, before=self._dispatched, max_undone=MAX_CHUNKS_WAITING
            )
            if result.outcome != "full":
                break
        if result.outcome == "hole":
            raise RolledBack("an earlier chunk is missing")
        if result.outcome != "ok":
            raise OwnershipLost(result.outcome)
        self._dispatched += len(cut)
        self._unsaved_frames = 0
        return result.done

    def _chunk(self, index: int, cut: CutChunk) -> Chunk:
        return Chunk(
            self._owner.keys.id,
            self._owner.epoch,
            index,
            cut.start,
            len(cut.samples),
            cut.voice_share,
            cut.voiced,
            cut.evidence.tobytes(),
            cut.channel,
        )

    async def _wait_for_room(self) -> None:
        # Ask here instead of trying to dispatch: each try would send the chunk's audio.
        job_id = self._owner.keys.id
        while not await self._jobs.has_chunk_room(job_id, max_undone=MAX_CHUNKS_WAITING):  # noqa: ASYNC110 - Redis sends no event
            await asyncio.sleep(ROOM_CHECK_S)
