"""Cutting of files at pauses: one replica reads a job's audio and dispatches its chunks, which any replica transcribes.

If the replica dies, another one continues after the last chunk that was dispatched.
"""

import asyncio
from collections import deque
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
import structlog

from stt_shared.contracts.frames import FrameKind, StreamError
from stt_shared.contracts.jobs import Chunk, JobConfig
from stt_shared.process.priority import lower_thread_priority
from stt_shared.redis.outage import REDIS_ERRORS, RETRY_S, UNREACHABLE
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.jobs import Cut
from stt_shared.streams.ownership import Ownership
from stt_shared.streams.reader import LogHole
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import Assignment
from stt_transcriber.core.files.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.live.policy import LivePolicy
from stt_transcriber.files import cutter_state
from stt_transcriber.files.job_result import complete_job, fail_job, is_over, until_over
from stt_transcriber.vad.models import VadFactory, VadModel

_log = structlog.get_logger()

MAX_CHUNKS_WAITING = 32
"""Most unfinished chunks of one job in Redis: at 28 s each, some 28 MB. One file can keep four replicas busy."""
LANGUAGE_LOOK_S = 0.1
KEEP_EVERY_FRAMES = 8
"""Most frames between two writes of the cutter's state, which is also written with each chunk; a takeover processes
up to this many frames again."""

_decode_config = msgspec.json.Decoder(JobConfig).decode


class _NotOurs(Exception):
    """The job has ended, or another replica owns its cutting."""


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
        self._new_voice = new_vad
        self._policy = policy
        self._guard = guard
        self._threads = ThreadPoolExecutor(thread_name_prefix="cutter", initializer=lower_thread_priority)

    async def handle(self, assignment: Assignment) -> None:
        """Cut one job to its end; returns when all its chunks are dispatched."""
        owner = assignment.owner
        at, epoch = owner.keys, owner.epoch
        replica = assignment.fields.get(b"owner:transcriber", b"").decode()
        try:
            async with self._guard.stage(
                at, epoch, keys.STAGE_TRANSCRIBER, replica, assignment.follows, "committed_samples"
            ) as allowed:
                if allowed:
                    await until_over(self._cut_on(owner), self._bus, at, epoch)
        except REDIS_ERRORS:
            raise
        except Exception:
            await fail_job(self._bus, at, epoch, "internal", "the file could not be cut into parts")
            raise

    async def _cut_on(self, owner: Ownership) -> None:
        """Cut from the position in the job's hash; start again from there after each loss of the Redis connection."""
        while True:
            try:
                fields = await self._bus.sessions.all_fields(owner.keys)
                if fields.get(b"fence:transcriber") == str(owner.fence).encode():
                    await self._cut(owner, fields)
                return
            except _NotOurs as reason:
                _log.info("file skipped", job_id=owner.keys.id, reason=str(reason))
                return
            except UNREACHABLE as error:
                _log.warning("redis unavailable, waiting", job_id=owner.keys.id, cause=str(error))
                await asyncio.sleep(RETRY_S)

    async def _cut(self, owner: Ownership, fields: dict[bytes, bytes]) -> None:
        at = owner.keys
        if b"chunks" in fields:  # the previous owner dispatched the last chunk and then died
            if await self._bus.client.hlen(keys.job_parts(at.id)) == int(fields[b"chunks"]):
                await complete_job(self._bus, at, owner.epoch)
            return
        voice = self._new_voice()
        hand = _CuttersHand(self._bus, owner, voice, self._policy, self._threads, fields)
        error: StreamError | None = None
        try:
            async for frame in self._bus.jobs.read_pcm(at, hand.committed_seq).items():
                if frame is None:
                    continue
                if frame.kind is FrameKind.STOP:
                    error = frame.meta.error
                    break
                if frame.kind is FrameKind.AUDIO:
                    await hand.take(frame.seq, frame.meta.start_sample, frame.data)
        except LogHole:
            error = StreamError("internal", "audio of the file was lost on its way to the transcriber")
        if error:
            await fail_job(self._bus, at, owner.epoch, error.code, error.message)
        elif await hand.finish():
            await complete_job(self._bus, at, owner.epoch)


class _CuttersHand:
    """Cutter of one file with its position in the job. ``committed_seq``: frames up to it are not needed again."""

    def __init__(
        self,
        bus: Bus,
        owner: Ownership,
        voice: VadModel,
        policy: LivePolicy,
        threads: Executor,
        fields: dict[bytes, bytes],
    ) -> None:
        self._bus = bus
        self._owner = owner
        self._voice = voice
        self._threads = threads
        self._handed = int(fields.get(b"handed", b"0"))
        self._language = _decode_config(fields[b"config"]).language or ""
        self._cutter = ChunkCutter(voice.probabilities, policy.gate, CutterPolicy(), decided=bool(self._language))
        self.committed_seq = int(fields.get(b"committed_seq", b"0"))
        self._frame_ends: deque[tuple[int, int]] = deque()  # number and end sample of frames whose audio is not settled
        self._since_kept = 0
        if state := fields.get(b"cutter"):
            cutter_state.restore(state, self._cutter, voice)

    async def take(self, seq: int, start_sample: int, pcm: bytes) -> None:
        """Add a frame and dispatch the chunks that it completes. Raises _NotOurs."""
        samples = np.frombuffer(pcm, np.int16)
        # After a takeover, the first frame may begin within a chunk that is already cut.
        fresh = samples[max(0, self._cutter.position - start_sample) :]
        # The VAD model takes some milliseconds per second of audio: too long for the loop that serves live sessions.
        chunks = await asyncio.get_running_loop().run_in_executor(self._threads, self._cutter.feed, fresh)
        self._frame_ends.append((seq, start_sample + len(samples)))
        while self._frame_ends and self._frame_ends[0][1] <= self._cutter.settled:
            self.committed_seq = self._frame_ends.popleft()[0]
        self._since_kept += 1
        if chunks or self._since_kept >= KEEP_EVERY_FRAMES:
            await self._hand_out(chunks, is_last=False)

    async def finish(self) -> bool:
        """Dispatch the last chunks; True when all chunks of the file are already done. Raises _NotOurs."""
        chunks = self._cutter.finish()
        while self._cutter.holds_chunks:
            await self._hand_out(chunks, is_last=False)
            chunks = self._cutter.finish()
        return await self._hand_out(chunks, is_last=True) == self._handed

    async def _hand_out(self, chunks: list[CutChunk], *, is_last: bool) -> int:
        """Dispatch chunks and store the cutter's state; return how many chunks of the job are done."""
        at, epoch, jobs = self._owner.keys, self._owner.epoch, self._bus.jobs
        if chunks and self._cutter.decided and not any(cut.decides for cut in chunks):
            await self._wait_for_language()
        told = [
            (msgspec.json.encode(self._chunk(self._handed + n, cut)), cut.samples.tobytes())
            for n, cut in enumerate(chunks)
        ]
        total = self._handed + len(chunks) if is_last else None
        state = cutter_state.packed(self._cutter, self._voice)
        cut = Cut(self._cutter.settled, self.committed_seq, state, total, self._cutter.position)
        while True:
            out = await jobs.dispatch_chunks(
                at, epoch, self._owner.fence, told, cut, before=self._handed, max_undone=MAX_CHUNKS_WAITING
            )
            if out.outcome != "full":
                break
            await self._wait_for_room()
        if out.outcome == "hole":
            raise LogHole(self._handed, self._handed)
        if out.outcome != "ok":
            raise _NotOurs(out.outcome)
        self._handed += len(chunks)
        self._since_kept = 0
        return out.done

    def _chunk(self, index: int, cut: CutChunk) -> Chunk:
        return Chunk(
            self._owner.keys.id,
            self._owner.epoch,
            index,
            cut.start,
            len(cut.samples),
            cut.voice_share,
            cut.voiced,
            self._language,
            cut.decides,
            cut.evidence.tobytes(),
        )

    async def _wait_for_language(self) -> None:
        """Wait until the deciding chunk has set the job's language.

        The chunks after it are dispatched with that language, so that none depends on which chunk is done first.
        """
        while not self._language:
            # Check here too: redis-py may lose the single cancellation that is sent when the job ends.
            if await is_over(self._bus, self._owner.keys, self._owner.epoch):
                raise _NotOurs("gone")
            found: Any = await self._bus.client.hget(self._owner.keys.state, "language")
            self._language = found.decode() if found else ""
            await asyncio.sleep(0 if found else LANGUAGE_LOOK_S)

    async def _wait_for_room(self) -> None:
        parts = keys.job_parts(self._owner.keys.id)
        # Poll here instead of trying again: each try would send the chunk's audio.
        while self._handed - await self._bus.client.hlen(parts) >= MAX_CHUNKS_WAITING:  # noqa: ASYNC110 - Redis sends no event
            await asyncio.sleep(0.1)
