"""Files: one replica cuts a job's audio at pauses, all transcribe the chunks, the last one puts it together.

Whoever dies, another goes on: the cutter's successor behind the last chunk that was handed out, and a chunk stays in
its stream until its text is stored.
"""

import asyncio
from collections import deque
from typing import Any

import msgspec
import numpy as np
import redis
import structlog
from redis.asyncio import Redis

from stt_shared.bus import keys
from stt_shared.bus.channels import ChannelHub
from stt_shared.bus.functions import Functions, Ownership
from stt_shared.bus.jobs import Cut
from stt_shared.bus.keys import StreamKeys
from stt_shared.bus.log import LogHole, read_pcm, read_state
from stt_shared.bus.suspects import Suspects
from stt_shared.bus.work import Assignment, WorkItem, WorkQueue
from stt_shared.contracts.frames import FrameKind
from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig
from stt_shared.tasks import cancel_and_wait, together
from stt_transcriber import cutter_state
from stt_transcriber.core import guards
from stt_transcriber.core.cutter import ChunkCutter, CutChunk, CutterPolicy
from stt_transcriber.core.hypothesis import SAMPLE_RATE, DecodeRequest, Quality
from stt_transcriber.core.policy import LivePolicy
from stt_transcriber.core.segments import segments_of
from stt_transcriber.core.text import separator
from stt_transcriber.handful import Handful
from stt_transcriber.job_end import RETRY_S, complete_job, fail_job, is_over, reached, until_over
from stt_transcriber.model_pool import ModelPool
from stt_transcriber.vad_models import VadFactory, VadModel

_log = structlog.get_logger()

MAX_CHUNKS_WAITING = 32
"""Chunks of one job that lie in Redis undone: at 28 s each, some 28 MB. Four replicas may have work of one file."""
LANGUAGE_LOOK_S = 0.1
KEEP_EVERY_FRAMES = 8
"""The cutter's state is stored with each chunk, and at least this often: so much is heard again after a takeover."""

_decode_config = msgspec.json.Decoder(JobConfig).decode
_decode_chunk = msgspec.json.Decoder(Chunk).decode


class _NotOurs(Exception):
    """The job has ended, or another replica cuts it."""


class FileCutter:
    """Stage of a job: reads its PCM log, cuts, hands the chunks out. ``handle`` is one job."""

    def __init__(
        self,
        client: Redis,
        functions: Functions,
        hub: ChannelHub,
        new_voice: VadFactory,
        policy: LivePolicy,
        suspects: Suspects,
    ) -> None:
        self._client = client
        self._functions = functions
        self._hub = hub
        self._new_voice = new_voice
        self._policy = policy
        self._suspects = suspects

    async def handle(self, assignment: Assignment) -> None:
        """Cuts one job to its end; returns when all its chunks are handed out."""
        owner = assignment.owner
        at, epoch = owner.keys, owner.epoch
        replica = assignment.fields.get(b"owner:transcriber", b"").decode()
        try:
            async with self._suspects.stage(
                at, epoch, keys.STAGE_TRANSCRIBER, replica, assignment.follows, "committed_samples"
            ) as allowed:
                if allowed:
                    await until_over(self._cut_on(owner), self._client, at, epoch)
        except redis.RedisError:
            raise
        except Exception:
            await fail_job(self._functions, at, epoch, "internal", "the file could not be cut into parts")
            raise

    async def _cut_on(self, owner: Ownership) -> None:
        """Cuts from where the job's hash says, again after each loss of Redis."""
        while True:
            try:
                fields = await read_state(self._client, owner.keys)
                if fields.get(b"fence:transcriber") == str(owner.fence).encode():
                    await self._cut(owner, fields)
                return
            except _NotOurs as reason:
                _log.info("file left", job_id=owner.keys.id, reason=str(reason))
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("waiting for Redis", job_id=owner.keys.id, cause=str(error))
                await asyncio.sleep(RETRY_S)

    async def _cut(self, owner: Ownership, fields: dict[bytes, bytes]) -> None:
        at = owner.keys
        if b"chunks" in fields:  # whoever had the file before handed out the last chunk, and no more
            if await self._client.hlen(keys.job_parts(at.id)) == int(fields[b"chunks"]):
                await complete_job(self._client, self._functions, at, owner.epoch)
            return
        voice = self._new_voice()
        hand = _CuttersHand(self._client, self._functions, owner, voice, self._policy, fields)
        error = ""
        try:
            async for frame in read_pcm(self._client, self._hub, at, hand.committed_seq).items():
                if frame is None:
                    continue
                if frame.kind is FrameKind.STOP:
                    error = frame.meta.error
                    break
                if frame.kind is FrameKind.AUDIO:
                    await hand.take(frame.seq, frame.meta.start_sample, frame.data)
        except LogHole:
            error = "internal: audio of the file was lost on its way to the transcriber"
        if error:
            code, _, message = error.partition(": ")
            await fail_job(self._functions, at, owner.epoch, code, message)
        elif await hand.finish():
            await complete_job(self._client, self._functions, at, owner.epoch)


class _CuttersHand:
    """One file's cutter with its place in the job. ``committed_seq``: frames up to there are not needed again."""

    def __init__(
        self,
        client: Redis,
        functions: Functions,
        owner: Ownership,
        voice: VadModel,
        policy: LivePolicy,
        fields: dict[bytes, bytes],
    ) -> None:
        self._client = client
        self._functions = functions
        self._owner = owner
        self._voice = voice
        self._cutter = ChunkCutter(voice.probabilities, policy.gate, CutterPolicy())
        self._handed = int(fields.get(b"handed", b"0"))
        self._language = _decode_config(fields[b"config"]).language or ""
        self.committed_seq = int(fields.get(b"committed_seq", b"0"))
        self._frame_ends: deque[tuple[int, int]] = deque()  # number and end of frames whose audio is not settled
        self._since_kept = 0
        if state := fields.get(b"cutter"):
            cutter_state.restore(state, self._cutter, voice)

    async def take(self, seq: int, start_sample: int, pcm: bytes) -> None:
        """Cuts what this frame completes. Raises _NotOurs."""
        samples = np.frombuffer(pcm, np.int16)
        # A successor's first frame may begin in a chunk that is cut already.
        fresh = samples[max(0, self._cutter.position - start_sample) :]
        # A second of audio takes the voice model some milliseconds: not on the loop that serves live sessions.
        chunks = await asyncio.to_thread(self._cutter.feed, fresh)
        self._frame_ends.append((seq, start_sample + len(samples)))
        while self._frame_ends and self._frame_ends[0][1] <= self._cutter.settled:
            self.committed_seq = self._frame_ends.popleft()[0]
        self._since_kept += 1
        if chunks or self._since_kept >= KEEP_EVERY_FRAMES:
            await self._hand_out(chunks, is_last=False)

    async def finish(self) -> bool:
        """The file is over; True when all its chunks are done already. Raises _NotOurs."""
        return await self._hand_out(self._cutter.finish(), is_last=True) == self._handed

    async def _hand_out(self, chunks: list[CutChunk], *, is_last: bool) -> int:
        """Answers how many chunks are done."""
        at, epoch, jobs = self._owner.keys, self._owner.epoch, self._functions.jobs
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
            out = await jobs.hand_out(
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
            self._language,
            cut.decides and not self._language,
        )

    async def _wait_for_language(self) -> None:
        """The chunks behind the one that decides it go out with it, so that none depends on which is done first."""
        while not self._language:
            # Looked at here too: redis-py may lose the one cancellation that the job's end sends.
            if await is_over(self._client, self._owner.keys, self._owner.epoch):
                raise _NotOurs("gone")
            found: Any = await self._client.hget(self._owner.keys.state, "language")
            self._language = found.decode() if found else ""
            await asyncio.sleep(0 if found else LANGUAGE_LOOK_S)

    async def _wait_for_room(self) -> None:
        parts = keys.job_parts(self._owner.keys.id)
        # Asked here, and not by trying again: each try would carry the chunk's audio.
        while self._handed - await self._client.hlen(parts) >= MAX_CHUNKS_WAITING:  # noqa: ASYNC110 - Redis tells no event
            await asyncio.sleep(0.1)


class ChunkWorker:
    """Takes chunks of any job while the model has room beside the live sessions.

    ``concurrency``: chunks in hand at the most; 0: as many as are decoded at once.
    """

    def __init__(
        self,
        client: Redis,
        functions: Functions,
        pool: ModelPool,
        replica_id: str,
        concurrency: int,
        suspects: Suspects,
    ) -> None:
        self._client = client
        self._functions = functions
        self._pool = pool
        self._replica_id = replica_id
        self._queue = WorkQueue(client, keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER, replica_id)
        self._concurrency = concurrency or pool.scheduler.chunks_at_once
        self._suspects = suspects
        self._running: dict[asyncio.Task[None], WorkItem] = {}

    @property
    def running(self) -> int:
        """Chunks in hand."""
        return len(self._running)

    async def run(self) -> None:
        """Takes chunks until cancelled. Those in hand go on: see ``drain``."""
        await self._queue.open()
        # Orphans beside fresh ones: those would keep a dead worker's chunks waiting for as long as there are any.
        await together(self._take_fresh(), self._take_orphans())

    async def drain(self, timeout_s: float) -> None:
        """Waits for the chunks in hand; what is left goes back into the stream, for another replica. ``run`` must have
        ended."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        for task, item in list(self._running.items()):
            await cancel_and_wait(task)
            if task.cancelled():
                # As a fresh entry: leaving is no crash.
                await self._queue.pass_on(item, item.fields, delete=True)
        # A chunk may have come with an answer that ``run`` did not wait for.
        await self._suspects.leave(self._replica_id)

    @property
    def _room(self) -> int:
        return min(self._concurrency - len(self._running), self._pool.scheduler.batch_room())

    async def _take_fresh(self) -> None:
        while True:
            if self._room <= 0:
                await asyncio.sleep(0.02)
                continue
            try:
                items = await self._queue.take(await self._share())
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("chunks unreachable", cause=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            handful = Handful(self._pool, len(items))
            for item in items:
                self._begin(item, handful)

    async def _share(self) -> int:
        """How many chunks to take: a batch where many wait. Of few not all, for there are other workers."""
        most = min(self._room, self._pool.scheduler.max_file_batch)
        if most <= 1:
            return 1
        try:
            groups: Any = await self._client.xinfo_groups(keys.JOB_CHUNKS)
        except redis.ResponseError:
            return 1  # Redis came back empty: the queue sees to that
        waiting = next((group["lag"] for group in groups if group["name"] == keys.STAGE_TRANSCRIBER.encode()), None)
        return most if waiting is None else max(1, min(most, -(-waiting // 2)))

    async def _take_orphans(self) -> None:
        while True:
            await asyncio.sleep(self._queue.next_look_s())
            try:
                # Looked for without room too: no single look finds anybody dead.
                for item in await self._queue.adopt(max(0, self._room)):
                    self._begin(item, Handful(self._pool, 1))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                _log.warning("chunks unreachable", cause=str(error))

    def _begin(self, item: WorkItem, handful: Handful) -> None:
        task = asyncio.create_task(self._work(item, handful), name="chunk")
        self._running[task] = item
        task.add_done_callback(lambda ended: self._running.pop(ended, None))

    async def _work(self, item: WorkItem, handful: Handful) -> None:
        try:
            await self._work_on(item, handful)
        finally:
            handful.leave(item)

    async def _work_on(self, item: WorkItem, handful: Handful) -> None:
        try:
            chunk = _decode_chunk(item.fields[b"chunk"])
        except msgspec.DecodeError as error:
            _log.error("chunk unreadable", cause=str(error))
            await self._queue.done(item, delete=True)
            return
        at = keys.job_keys(chunk.job_id)
        log = _log.bind(job_id=chunk.job_id, chunk=chunk.index)
        while True:
            try:
                try:
                    await self._try(at, chunk, item, handful)
                except redis.RedisError:
                    raise
                except Exception as error:
                    log.exception("chunk failed")
                    message = f"a part could not be transcribed: {error}"
                    await fail_job(self._functions, at, chunk.epoch, "internal", message)
                await self._queue.done(item, delete=True)
                return
            except (redis.ConnectionError, redis.TimeoutError) as error:
                # Kept in hand: as long as this replica lives, nobody else would take it.
                log.warning("waiting for Redis", cause=str(error))
                await asyncio.sleep(RETRY_S)

    async def _try(self, at: StreamKeys, chunk: Chunk, item: WorkItem, handful: Handful) -> None:
        if await is_over(self._client, at, chunk.epoch):
            return
        if await self._client.hexists(keys.job_parts(at.id), str(chunk.index)):
            # Whoever had it before stored it, and died before saying so; the last one also has the job to end.
            await self._complete_if_all(at, chunk.epoch)
            return
        async with self._suspects.chunk(at, chunk.epoch, chunk.index, self._replica_id, item.follows) as allowed:
            if allowed:
                fields = await read_state(self._client, at)
                work = self._transcribe(at, chunk, item, handful, _decode_config(fields[b"config"]))
                await until_over(work, self._client, at, chunk.epoch)

    async def _complete_if_all(self, at: StreamKeys, epoch: str) -> None:
        chunks = await self._client.hget(at.state, "chunks")
        if chunks is not None and await self._client.hlen(keys.job_parts(at.id)) == int(chunks):
            await complete_job(self._client, self._functions, at, epoch)

    async def _transcribe(
        self, at: StreamKeys, chunk: Chunk, item: WorkItem, handful: Handful, config: JobConfig
    ) -> None:
        samples = np.frombuffer(item.fields[b"pcm"], np.int16).astype(np.float32) / 32768.0
        language = config.language or chunk.language or None
        request = DecodeRequest(samples, language, config.task, config.prompt, Quality.FILE)
        hypothesis = await handful.decode(item, f"chunk {chunk.job_id} {chunk.index}", request)
        offset_s = chunk.start_sample / SAMPLE_RATE
        gap = separator(hypothesis.language, config.task)
        refused = guards.reason_to_reject(hypothesis, chunk.voice_share, request.quality)
        segments = [] if refused else segments_of(hypothesis.words, offset_s, gap)
        part = ChunkResult(hypothesis.language, segments)
        stored = await reached(
            lambda: self._functions.jobs.store_part(
                at,
                chunk.epoch,
                chunk.index,
                msgspec.json.encode(part),
                language=hypothesis.language if chunk.decides else "",
                n_samples=chunk.n_samples,
            )
        )
        if stored is not None and stored[0] == stored[1]:
            await complete_job(self._client, self._functions, at, chunk.epoch)
