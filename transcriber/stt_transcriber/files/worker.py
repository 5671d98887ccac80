"""Transcription of the chunks of files: all replicas share the work, and the last one to finish assembles the text.

If a replica dies, another one continues: a chunk stays in its stream until its text is stored.
"""

import asyncio
from functools import partial

import msgspec
import structlog

from stt_shared.contracts.jobs import Chunk, ChunkResult, JobConfig
from stt_shared.process.tasks import cancel_and_wait, run_together
from stt_shared.process.tracing import tracer
from stt_shared.redis.outage import REDIS_ERRORS, RETRY_S, UNREACHABLE, until_answered
from stt_shared.streams import keys
from stt_shared.streams.bus import Bus
from stt_shared.streams.ownership import Ownership
from stt_shared.work.crash_guard import CrashGuard
from stt_shared.work.stage import WorkItem, WorkQueue
from stt_transcriber.decode.pool import ModelPool
from stt_transcriber.files.chunk_batch import ChunkBatch
from stt_transcriber.files.job_result import complete_if_done, complete_job, run_while_active
from stt_transcriber.files.transcription import Decode, transcribe
from stt_transcriber.files.voices import ChunkVoiceReader

_log = structlog.get_logger()

_decode_chunk = msgspec.json.Decoder(Chunk).decode


class ChunkWorker:
    """Worker that takes chunks of any job while the model has capacity besides the live sessions.

    ``concurrency``: most chunks in progress; 0: as many as are decoded at once.
    """

    def __init__(
        self,
        bus: Bus,
        pool: ModelPool,
        replica_id: str,
        concurrency: int,
        guard: CrashGuard,
        voices: ChunkVoiceReader,
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._replica_id = replica_id
        self._queue = WorkQueue(bus, keys.JOB_CHUNKS, keys.STAGE_TRANSCRIBER, replica_id)
        self._concurrency = concurrency or pool.scheduler.chunks_at_once
        self._guard = guard
        self._voices = voices
        self._running: dict[asyncio.Task[None], WorkItem] = {}

    @property
    def running(self) -> int:
        """Number of chunks in progress."""
        return len(self._running)

    async def run(self) -> None:
        """Take chunks until cancelled. Those in progress continue: see ``drain``."""
        # Orphans are taken concurrently: a dead worker's chunks must not wait for as long as there are fresh ones.
        await run_together(self._take_new(), self._take_orphans())

    async def drain(self, timeout_s: float) -> None:
        """Wait for the chunks in progress; put those left after ``timeout_s`` back into the stream for another replica.

        ``run`` must have ended.
        """
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        for task, item in list(self._running.items()):
            await cancel_and_wait(task)
            if task.cancelled():
                # As a fresh entry, since a shutdown does not count as a crash.
                await self._queue.pass_on(item, item.fields, delete=True)
        # Redis may have assigned a chunk in a reply that the cancelled ``run`` did not wait for.
        await self._guard.leave(self._replica_id)

    @property
    def _room(self) -> int:
        return min(self._concurrency - len(self._running), self._pool.scheduler.batch_room())

    async def _take_new(self) -> None:
        while True:
            if self._room <= 0:
                await asyncio.sleep(0.02)
                continue
            try:
                items = await self._queue.take(await self._batch_size())
            except UNREACHABLE as error:
                _log.warning("chunks unavailable", cause=str(error))
                await asyncio.sleep(RETRY_S)
                continue
            batch = ChunkBatch(self._pool, len(items))
            for item in items:
                self._begin(item, batch)

    async def _batch_size(self) -> int:
        """Return how many chunks to take: a batch, but at most half of those waiting, to leave some for others."""
        most = min(self._room, self._pool.scheduler.max_file_batch)
        if most <= 1:
            return 1
        waiting = await self._queue.waiting()
        return most if waiting is None else max(1, min(most, -(-waiting // 2)))

    async def _take_orphans(self) -> None:
        while True:
            await asyncio.sleep(self._queue.next_scan_s())
            try:
                # Scan even without room, since no single scan finds a worker dead.
                for item in await self._queue.adopt(max(0, self._room)):
                    self._begin(item, ChunkBatch(self._pool, 1))
            except UNREACHABLE as error:
                _log.warning("chunks unavailable", cause=str(error))

    def _begin(self, item: WorkItem, batch: ChunkBatch) -> None:
        task = asyncio.create_task(self._work(item, batch), name="chunk")
        self._running[task] = item
        task.add_done_callback(lambda ended: self._running.pop(ended, None))

    async def _work(self, item: WorkItem, batch: ChunkBatch) -> None:
        try:
            # The chunk is kept while Redis is unavailable: as long as this replica is alive, no other would take it.
            await until_answered(lambda: self._process(item, batch))
        finally:
            batch.leave(item)

    async def _process(self, item: WorkItem, batch: ChunkBatch) -> None:
        """Transcribe a chunk and acknowledge it. May be repeated. Raises the errors of Redis only."""
        try:
            chunk = _decode_chunk(item.fields[b"chunk"])
        except msgspec.DecodeError as error:
            _log.error("chunk unreadable", cause=str(error))
            await self._queue.done(item, delete=True)
            return
        job = Ownership(keys.job_keys(chunk.job_id), chunk.epoch)
        try:
            await self._transcribe(job, chunk, item, batch)
        except REDIS_ERRORS:
            raise
        except Exception as error:
            _log.exception("chunk failed", job_id=chunk.job_id, chunk=chunk.index)
            await self._bus.jobs.fail(job.keys, job.epoch, "internal", f"a part could not be transcribed: {error}")
        await self._queue.done(item, delete=True)

    async def _transcribe(self, job: Ownership, chunk: Chunk, item: WorkItem, batch: ChunkBatch) -> None:
        state = await self._bus.jobs.state(chunk.job_id)
        if state is None or not state.is_active or state.epoch != job.epoch:
            return
        if await self._bus.jobs.is_part_done(chunk.job_id, chunk.index):
            # The previous worker stored it and died before confirming it; after the last chunk the job must be ended.
            await complete_if_done(self._bus, job, state)
            return
        traceparent, replica = state.config.traceparent, self._replica_id
        with tracer().span("transcribe", traceparent, job_id=chunk.job_id, chunk=chunk.index, replica=replica):
            async with self._guard.chunk(job.keys, job.epoch, chunk.index, self._replica_id, item.follows) as allowed:
                if allowed:
                    work = self._decode_and_store(job, chunk, item, batch, state.config)
                    await run_while_active(work, self._bus, job)

    async def _decode_and_store(
        self, job: Ownership, chunk: Chunk, item: WorkItem, batch: ChunkBatch, config: JobConfig
    ) -> None:
        decode = partial(batch.decode, item, f"chunk {chunk.job_id} {chunk.index}")
        part = await self._part(chunk, item.fields[b"pcm"], config, decode)
        is_last = await until_answered(
            lambda: self._bus.jobs.store_part(
                job.keys,
                job.epoch,
                chunk.index,
                msgspec.json.encode(part),
                n_samples=chunk.n_samples,
            )
        )
        if is_last:
            await complete_job(self._bus, job)

    async def _part(self, chunk: Chunk, pcm: bytes, config: JobConfig, decode: Decode) -> ChunkResult:
        work = transcribe(chunk, pcm, config, decode, biased_by_keyterms=self._pool.biased_by_keyterms)
        if config.speakers is None:
            return await work
        voices = asyncio.create_task(self._voices.read(chunk, pcm), name="voices")
        try:
            part = await work
            return msgspec.structs.replace(part, voices=await voices)
        finally:
            await cancel_and_wait(voices)
